//! Which packets of a parcel follow on one another, while it is being filled.

use crate::flow::key::{FamilyKey, Key, KeyV4, KeyV6};

/// Trails that lead through a parcel, one for each connection, or for several that take turns: they begin anew each time. Measured:
/// 2048 bring no more.
const TRAILS: usize = 1024;

/// A trail up to where it leads.
#[derive(Clone, Copy, Debug, Default)]
struct Trail<K> {
    /// The connection of its packets.
    key: K,
    /// The parcel that they are in.
    parcel: u32,
    /// Where the newest one stands.
    newest: u16,
    /// The first one, of those in the parcel that lead.
    leader: u16,
}

/// The trails of one family of addresses.
#[derive(Debug)]
pub(in crate::flow) struct Family<K>(Box<[Trail<K>; TRAILS]>);

impl<K: FamilyKey> Default for Family<K> {
    fn default() -> Self {
        Self(Box::new([Trail::default(); TRAILS]))
    }
}

impl<K: FamilyKey> Family<K> {
    #[inline(always)]
    fn of(&mut self, spread: u64) -> &mut Trail<K> {
        &mut self.0[(spread >> (u64::BITS - TRAILS.ilog2())) as usize]
    }
}

/// All trails of one parcel after the other. They are not handed over with it: whoever fills the next one has them at hand.
#[derive(Debug)]
pub(in crate::flow) struct Trails {
    v4: Family<KeyV4>,
    v6: Family<KeyV6>,
    /// The parcel's number; 0 is none's.
    parcel: u32,
}

impl Default for Trails {
    fn default() -> Self {
        Self {
            v4: Family::default(),
            v6: Family::default(),
            parcel: 1,
        }
    }
}

/// A key whose packets leave trails.
pub(in crate::flow) trait TrailKey: FamilyKey {
    /// Those of its family.
    fn family(trails: &mut Trails) -> &mut Family<Self>;
}

impl TrailKey for KeyV4 {
    #[inline(always)]
    fn family(trails: &mut Trails) -> &mut Family<Self> {
        &mut trails.v4
    }
}

impl TrailKey for KeyV6 {
    #[inline(always)]
    fn family(trails: &mut Trails) -> &mut Family<Self> {
        &mut trails.v6
    }
}

impl Trails {
    /// A connection's packet stands at this place: the place of the one that it follows on, if it is on a trail, and which of those
    /// that lead is the first on it. That is itself where it follows on none; so many lead already.
    #[inline(always)]
    pub(super) fn go_on<K: TrailKey>(
        &mut self,
        (key, spread): (K, u64),
        place: u16,
        leading: u16,
    ) -> (Option<u16>, u16) {
        let parcel = self.parcel;
        let trail = K::family(self).of(spread);
        let before = std::mem::replace(&mut trail.newest, place);
        if trail.parcel == parcel && trail.key == key {
            return (Some(before), trail.leader);
        }
        (trail.key, trail.parcel, trail.leader) = (key, parcel, leading);
        (None, leading)
    }

    /// What comes next of this connection begins a trail.
    pub(super) fn end(&mut self, key: &Key) {
        match key {
            Key::V4(key) => self.v4.of(key.spread()).parcel = 0,
            Key::V6(key) => self.v6.of(key.spread()).parcel = 0,
        }
    }

    /// Another parcel is filled.
    pub(in crate::flow) fn end_all(&mut self) {
        self.parcel = self.parcel.wrapping_add(1).max(1);
    }
}
