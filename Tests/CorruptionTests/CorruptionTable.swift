import Corruption

/// What became of the tours, by what was changed.
struct CorruptionTable {
  private struct Row {
    var fields: Set<String> = []
    var images: Set<Int> = []
    var tours = 0
    var refused = 0
    var damaged = 0
    var cleanBefore = 0
    var cleanAfter = 0
    var disputed = 0
    var asked = 0
    var unjudged = 0
    var slowest = 0
    var slowestCall = ""
    var peak = 0
    var died = 0
  }

  private var rows: [MetadataKind: Row] = [:]

  /// Tours before which e2fsck was asked about the image.
  var asked: Int { rows.values.reduce(0) { $0 + $1.asked } }
  /// Those of them on which it gave no verdict: it did not come to an end.
  var unjudged: Int { rows.values.reduce(0) { $0 + $1.unjudged } }

  mutating func add(
    _ outcome: TourProcess.Outcome, _ number: Int, _ course: Tour.Course, _ plan: CorruptionPlan
  ) {
    let item = plan.cases[number]
    let object = plan.images[item.image].map.objects[item.object]
    var row = rows[object.kind] ?? Row()
    defer { rows[object.kind] = row }
    if case .same = outcome { return }
    row.fields.insert(object.fields[item.field].name)
    row.images.insert(number)
    row.tours += 1
    guard case .toured(let result) = outcome else {
      row.died += 1
      return
    }
    if !result.isMounted { row.refused += 1 }
    if result.damage > 0 { row.damaged += 1 }
    if result.wasClean != nil || result.isUnjudged { row.asked += 1 }
    if result.isUnjudged { row.unjudged += 1 }
    if result.wasClean == true {
      row.cleanBefore += 1
      if result.isDisputed {
        row.disputed += 1
      } else if result.violation?.hasPrefix("clean before") != true {
        row.cleanAfter += 1
      }
    }
    if result.slowest > row.slowest {
      row.slowest = result.slowest
      row.slowestCall = result.slowestCall
    }
    row.peak = max(row.peak, result.peak)
  }

  var text: String {
    let heads = [
      "kind", "fields", "images", "tours", "refused", "EUCLEAN", "clean", "still", "disputed",
      "no verdict", "slowest ms", "call", "peak MiB", "died",
    ]
    var lines = [heads]
    var sum = Row()
    for kind in MetadataKind.allCases {
      guard let row = rows[kind] else { continue }
      lines.append(Self.line(kind.rawValue, row))
      sum.fields.formUnion(row.fields.map { "\(kind.rawValue) \($0)" })
      sum.images.formUnion(row.images)
      sum.tours += row.tours
      sum.refused += row.refused
      sum.damaged += row.damaged
      sum.cleanBefore += row.cleanBefore
      sum.cleanAfter += row.cleanAfter
      sum.disputed += row.disputed
      sum.unjudged += row.unjudged
      sum.died += row.died
      sum.peak = max(sum.peak, row.peak)
      if row.slowest > sum.slowest {
        sum.slowest = row.slowest
        sum.slowestCall = row.slowestCall
      }
    }
    lines.append(Self.line("all", sum))
    let widths = heads.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { line in
      line.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        return column == 0 ? cell + padding : padding + cell
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }

  private static func line(_ name: String, _ row: Row) -> [String] {
    [
      name, "\(row.fields.count)", "\(row.images.count)", "\(row.tours)", "\(row.refused)",
      "\(row.damaged)", "\(row.cleanBefore)", "\(row.cleanAfter)",
      "\(row.disputed)", "\(row.unjudged)",
      "\(row.slowest / 1000).\(row.slowest / 100 % 10)", row.slowestCall, "\(row.peak >> 10)",
      "\(row.died)",
    ]
  }
}
