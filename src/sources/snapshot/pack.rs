//! Compresses on this thread what another one writes: of a large estate each of the two takes as long.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{SyncSender, sync_channel};

/// In bytes.
const CHUNK: usize = 1 << 18;
/// Chunks that wait to be compressed.
const WAITING: usize = 8;

struct Chunks(SyncSender<Vec<u8>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what `fill` writes as one zstd frame, and gives what `fill` gives.
///
/// # Errors
/// If the destination or `fill` fails.
pub(super) fn packed<T: Send>(
    to: &mut dyn Write,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<T> + Send,
) -> io::Result<T> {
    let (sender, chunks) = sync_channel(WAITING);
    std::thread::scope(|scope| {
        let filling = scope.spawn(move || -> io::Result<T> {
            let mut out = BufWriter::with_capacity(CHUNK, Chunks(sender));
            let filled = fill(&mut out)?;
            out.flush()?;
            Ok(filled)
        });
        // Gone once this side ends: then the other one cannot go on writing, and ends, too.
        let chunks = chunks;
        let mut encoder = zstd::Encoder::new(to, 3)?;
        encoder.include_checksum(true)?;
        for chunk in &chunks {
            encoder.write_all(&chunk)?;
        }
        let filled = filling.join().map_err(|_| io::Error::other("the snapshot could not be written"))??;
        encoder.finish()?;
        Ok(filled)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_goes_in_comes_out_and_either_side_may_fail() {
        let text = "some text\n".repeat(1_000_000);
        let mut bytes = Vec::new();
        assert_eq!(packed(&mut bytes, |out| out.write_all(text.as_bytes()).map(|()| 7)).unwrap(), 7);
        assert!(zstd::decode_all(bytes.as_slice()).unwrap() == text.as_bytes());
        let full = packed(&mut Full, |out| {
            (0..100).try_for_each(|n: u32| out.write_all(&n.to_le_bytes().repeat(1 << 20)))
        });
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        let failed: io::Result<()> = packed(&mut Vec::new(), |_| Err(io::ErrorKind::NotFound.into()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
