// Within this module; outside, the long names keep out of the way of what is tested.
typealias Attributes = SimulatedKernel.Attributes
typealias Caller = SimulatedKernel.Caller
typealias Counters = SimulatedKernel.Counters
typealias OpenFile = SimulatedKernel.OpenFile
typealias Revision = SimulatedKernel.Revision
typealias AccessControlEntries = SimulatedKernel.AccessControlEntries
