//! Runs of bytes, in few large pieces of memory that are given back once all of their runs are gone.

/// Bytes of a piece.
const PIECE: usize = 256 << 10;

/// A run of bytes in [`Chunks`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    chunk: u32,
    start: u32,
    length: u32,
}

/// The pieces, newest last.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunks: Vec<Chunk>,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// Runs that are still needed.
    runs: u32,
}

impl Chunks {
    /// Keeps a run.
    pub fn add(&mut self, run: &[u8]) -> Run {
        let room = |chunk: &Chunk| chunk.bytes.capacity() - chunk.bytes.len();
        if self.chunks.last().is_none_or(|last| room(last) < run.len()) {
            self.chunks.push(Chunk {
                bytes: Vec::with_capacity(PIECE.max(run.len())),
                runs: 0,
            });
        }
        let number = self.chunks.len().saturating_sub(1);
        let mut start = 0;
        if let Some(last) = self.chunks.last_mut() {
            start = last.bytes.len();
            last.bytes.extend_from_slice(run);
            last.runs += 1;
        }
        Run {
            chunk: number as u32,
            start: start as u32,
            length: run.len() as u32,
        }
    }

    /// The bytes of a run.
    pub fn get(&self, run: Run) -> &[u8] {
        let start = run.start as usize;
        let chunk = self.chunks.get(run.chunk as usize);
        let bytes = chunk.and_then(|chunk| chunk.bytes.get(start..start + run.length as usize));
        bytes.unwrap_or_default()
    }

    /// A run is needed no more.
    pub fn remove(&mut self, run: Run) {
        if let Some(chunk) = self.chunks.get_mut(run.chunk as usize) {
            chunk.runs = chunk.runs.saturating_sub(1);
            if chunk.runs == 0 {
                // The next run then begins another chunk.
                *chunk = Chunk::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_and_memory_is_given_back_with_the_last_of_a_chunk() {
        let mut chunks = Chunks::default();
        let runs: Vec<Run> = (0..200_u8).map(|n| chunks.add(&vec![n; 5_000])).collect();
        assert!(chunks.chunks.len() > 2);
        for (n, run) in (0..).zip(&runs) {
            assert_eq!(chunks.get(*run), vec![n; 5_000]);
        }
        let large = chunks.add(&vec![7; 2 * PIECE]);
        assert_eq!(chunks.get(large).len(), 2 * PIECE);
        let empty = chunks.add(&[]);
        assert!(chunks.get(empty).is_empty());
        for run in runs.iter().filter(|run| run.chunk == 0) {
            assert!(chunks.chunks[0].bytes.capacity() > 0);
            chunks.remove(*run);
        }
        assert_eq!(chunks.chunks[0].bytes.capacity(), 0);
        assert_eq!(chunks.get(runs[199]), vec![199; 5_000]);
    }
}
