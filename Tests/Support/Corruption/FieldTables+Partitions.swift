/// The fields of partition tables.
extension FieldTables {
  static let masterBootRecord: [MetadataField] = [
    .init("entry[0].status", 0x1BE, 1),
    .init("entry[0].type", 0x1C2, 1),
    .init("entry[0].first", 0x1C6, 4),
    .init("entry[0].count", 0x1CA, 4),
    .init("entry[1].status", 0x1CE, 1),
    .init("entry[1].type", 0x1D2, 1),
    .init("entry[1].first", 0x1D6, 4),
    .init("entry[1].count", 0x1DA, 4),
    .init("entry[2].status", 0x1DE, 1),
    .init("entry[2].type", 0x1E2, 1),
    .init("entry[2].first", 0x1E6, 4),
    .init("entry[2].count", 0x1EA, 4),
    .init("entry[3].status", 0x1EE, 1),
    .init("entry[3].type", 0x1F2, 1),
    .init("entry[3].first", 0x1F6, 4),
    .init("entry[3].count", 0x1FA, 4),
    .init("signature", 0x1FE, 2),
  ]
  static let partitionHeader: [MetadataField] = [
    .init("signature", 0x0, 8),
    .init("revision", 0x8, 4),
    .init("header_size", 0xC, 4),
    .init("header_checksum", 0x10, 4),
    .init("reserved", 0x14, 4),
    .init("my_lba", 0x18, 8),
    .init("alternate_lba", 0x20, 8),
    .init("first_usable", 0x28, 8),
    .init("last_usable", 0x30, 8),
    .init("entries_lba", 0x48, 8),
    .init("entry_count", 0x50, 4),
    .init("entry_size", 0x54, 4),
    .init("entries_checksum", 0x58, 4),
  ]
  static let partitionEntry: [MetadataField] = [
    .init("type", 0x0, 8),
    .init("type_rest", 0x8, 8),
    .init("guid", 0x10, 8),
    .init("first", 0x20, 8),
    .init("last", 0x28, 8),
    .init("attributes", 0x30, 8),
    .init("name", 0x38, 8),
  ]
}
