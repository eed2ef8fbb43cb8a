//! Zones: connections of different zones never meet, though their addresses are the same.

/// Which directions of a connection a zone holds for (`ct zone set`, `ct original zone set`, `ct reply zone set`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ZoneDirection {
    /// Both (`NF_CT_DEFAULT_ZONE_DIR`).
    #[default]
    Both,
    /// The original direction; replies are looked up in zone 0.
    Original,
    /// The reply direction.
    Reply,
}

/// A zone and the directions it holds for (`struct nf_conntrack_zone`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Zone {
    /// The zone's number; 0 is the default zone.
    pub id: u16,
    /// For which directions.
    pub direction: ZoneDirection,
}

impl Zone {
    /// A zone for both directions.
    pub const fn both(id: u16) -> Zone {
        Zone { id, direction: ZoneDirection::Both }
    }

    /// The zone's number in a direction, 0 where it does not hold (`nf_ct_zone_id`).
    pub const fn id(self, direction: crate::Direction) -> u16 {
        use crate::Direction;
        match (self.direction, direction) {
            (ZoneDirection::Both, _)
            | (ZoneDirection::Original, Direction::Original)
            | (ZoneDirection::Reply, Direction::Reply) => self.id,
            _ => 0,
        }
    }
}
