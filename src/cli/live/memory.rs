//! `--max-memory`: what is planned with it, and what is done when the plan was too large.

use whyrst::flow::Limits;

/// Refused connections of one client and service that are told one by one.
const REFUSED_APART: u64 = 20;
/// The same in all.
const REFUSED_APART_IN_ALL: u64 = 1_000;
/// So many connections are held, however short memory is.
pub(super) const LEAST_CONNECTIONS: usize = 500;

/// What the program needs before it has seen a packet, with room.
const PROGRAM: u64 = 24 << 20;

/// The plan for what capture buffers and evidence leave of the memory. A third of it is for connections in general: those that were reset
/// are about four times as large, findings are kept beyond them, and the report at the end is made beside them and takes as much as they.
pub(super) fn limits(memory: u64) -> Limits {
    let limits = Limits::within(PROGRAM + memory.saturating_sub(PROGRAM) / 3);
    Limits {
        reset_connections: (limits.connections / 8).max(LEAST_CONNECTIONS),
        refused_apart: REFUSED_APART,
        refused_apart_in_all: REFUSED_APART_IN_ALL,
        refused_groups: (limits.connections / 10).clamp(200, 20_000),
        ..limits
    }
}

/// Watches resident memory. Dialogues differ in size, so the plan can be wrong.
///
/// What is given back to the allocator is used again, and not always given back to the system: a second step is taken only when memory has
/// grown since the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Governor {
    most: u64,
    /// Above this, less is to be held: at first.
    first_mark: u64,
    /// And since then.
    mark: u64,
}

impl Governor {
    /// `for_analysis` is what buffers and evidence leave of `most`. A third of it is room for the report, and for what comes within a second.
    pub(super) fn new(most: u64, for_analysis: u64) -> Self {
        let first_mark = most.saturating_sub(for_analysis / 3);
        Self {
            most,
            first_mark,
            mark: first_mark,
        }
    }

    /// Whether less is to be held from now on.
    pub(super) fn is_short(&mut self, resident: u64) -> bool {
        if resident <= self.first_mark {
            self.mark = self.first_mark;
            return false;
        }
        let is_short = resident > self.mark;
        if is_short {
            self.mark = resident + self.most / 100;
        }
        is_short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_follows_further_growth() {
        let mut governor = Governor::new(1_000, 375);
        assert!(!governor.is_short(875));
        assert!(governor.is_short(880));
        assert!(!governor.is_short(880), "what was freed is used again");
        assert!(!governor.is_short(890));
        assert!(governor.is_short(891));
        assert!(!governor.is_short(600), "given back");
        assert!(governor.is_short(880));
    }

    #[test]
    fn less_memory_is_fewer_of_everything() {
        let (small, large) = (limits(64 << 20), limits(512 << 20));
        assert!(small.connections < large.connections);
        assert!(small.reset_connections < large.reset_connections);
        assert!(small.refused_groups < large.refused_groups);
        assert!(limits(0).connections >= LEAST_CONNECTIONS);
    }
}
