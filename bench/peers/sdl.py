"""The schema of the peers that take it as text, mercurius among them."""

ENUMS: dict[str, dict[str, str]] = {
    name: {value.upper(): value for value in values.split()}
    for name, values in {
        "TicketType": "incident request change problem rma",
        "TicketState": "new in_progress on_hold resolved closed cancelled",
        "AssetState": "ordered in_stock reserved in_transit deployed return_pending retired",
        "Lane": "normal break_glass loaner",
        "Direction": "outbound return transfer inbound",
        "ShipmentStatus": "pending label_created picked_up in_transit out_for_delivery delivered",
        "OrderField": "id opened_at",
        "GroupField": "priority",
        "SortDirection": "asc desc",
    }.items()
} | {"Priority": {f"P{n}": f"P{n}" for n in range(1, 6)}}
"""Enum -> its values, as GraphQL names them -> as the tables hold them."""

SCHEMA = """
scalar DateTime
type Site {
  name: String! code: String country: String timeZone: String latitude: Float longitude: Float
  assets(first: Int!): AssetConnection!
}
type Asset {
  name: String serial: String assetTag: String state: AssetState! lane: Lane!
  tickets(first: Int!): TicketConnection!
}
type Shipment {
  trackingNumber: String status: ShipmentStatus! direction: Direction! carrier: String service: String costCents: Int
}
type Ticket {
  number: String! title: String! type: TicketType! priority: Priority state: TicketState! category: String
  requester: String quantity: Int! openedAt: DateTime slaDueAt: DateTime
  asset: Asset site: Site shipments: [Shipment!]!
}
type SiteConnection { nodes: [Site!]! }
type AssetConnection { nodes: [Asset!]! }
type TicketConnection { nodes: [Ticket!]! }
input StateFilter { eq: TicketState! }
input PriorityFilter { eq: Priority! }
input TicketFilter { state: StateFilter priority: PriorityFilter }
input TicketOrder { field: OrderField! direction: SortDirection! = ASC }
input TicketGroupBy { field: GroupField! }
type TicketGroupKey { priority: Priority }
type TicketGroup { key: TicketGroupKey! count: Int! }
type TicketAggregate { groups: [TicketGroup!]! }
type Query {
  sites(first: Int!): SiteConnection!
  tickets(first: Int!, filter: TicketFilter, orderBy: [TicketOrder!]): TicketConnection!
  ticket(id: ID!): Ticket
  ticketAggregate(filter: TicketFilter, groupBy: [TicketGroupBy!]!): TicketAggregate!
}
""" + "\n".join(f"enum {name} {{ {' '.join(values)} }}" for name, values in ENUMS.items())
