//! What code says, on its way into the estate: records as Azure would show them, and gaps, in the order in which they are
//! found out. Of a large configuration one thread finds out while another takes in.
//!
//! Not here: what resources mean (`azurerm`), and what records say (`sources::arm`).

use super::declare::declare;
use crate::model::{Gap, Location};
use crate::sources::arm::Lowering;
use crate::sources::scan::Position;
use serde::Serialize;
use std::ops::Range;
use std::sync::mpsc::{SyncSender, sync_channel};

/// From how many instances on a second thread is worth its start.
const MANY: usize = 500;
/// How many go over at once.
const BATCH: usize = 256;
/// How many batches may wait.
const WAITING: usize = 8;

/// One of the things that are said.
enum Said {
    /// A record, its id, its address, where it stands, and whether the change leaves it as it is.
    Declared(Range<usize>, String, String, Option<Location>, bool),
    /// A record that no block stands for.
    Plain(Range<usize>),
    Gap(Gap),
}

/// Some of them; records lie in one text.
#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    said: Vec<Said>,
}

impl Batch {
    fn take_in(self, lowering: &mut Lowering) {
        let record = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        for said in self.said {
            match said {
                Said::Declared(range, id, address, location, kept) => {
                    declare(lowering, record(range), &id, &address, location.as_ref(), kept);
                }
                Said::Plain(range) => {
                    lowering.record(record(range), Position { line: 0, column: 0 });
                }
                Said::Gap(gap) => lowering.estate.gaps.push(gap),
            }
        }
    }
}

enum Out {
    Here(Box<Lowering>),
    There(SyncSender<Batch>),
}

/// Where things are said to.
pub(super) struct Intake {
    batch: Batch,
    out: Out,
}

impl Intake {
    /// Lets somebody say `instances` things or so, and takes them in.
    pub(super) fn of(instances: usize, mut lowering: Lowering, say: impl FnOnce(&mut Intake)) -> Lowering {
        lowering.estate.declarations.reserve(instances);
        lowering.reserve(instances, instances * 256);
        if instances < MANY {
            let mut intake = Intake { batch: Batch::default(), out: Out::Here(Box::new(lowering)) };
            say(&mut intake);
            intake.flush();
            return match intake.out {
                Out::Here(lowering) => *lowering,
                Out::There(_) => Lowering::default(),
            };
        }
        let (to, from) = sync_channel::<Batch>(WAITING);
        std::thread::scope(|scope| {
            let taking = scope.spawn(move || {
                from.into_iter().for_each(|batch| batch.take_in(&mut lowering));
                lowering
            });
            let mut intake = Intake { batch: Batch::default(), out: Out::There(to) };
            say(&mut intake);
            intake.flush();
            // The other end waits until this one is gone.
            drop(intake);
            taking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn write(&mut self, record: &impl Serialize) -> Range<usize> {
        let start = self.batch.text.len();
        // Into memory, and keys are texts.
        if serde_json::to_writer(&mut self.batch.text, record).is_err() {
            self.batch.text.truncate(start);
        }
        start..self.batch.text.len()
    }

    /// A record that is declared.
    pub(super) fn declared(
        &mut self,
        record: &impl Serialize,
        id: &str,
        address: String,
        location: Option<Location>,
        kept: bool,
    ) {
        let range = self.write(record);
        self.say(Said::Declared(range, id.to_owned(), address, location, kept));
    }

    /// A record that nothing declares.
    pub(super) fn plain(&mut self, record: &impl Serialize) {
        let range = self.write(record);
        self.say(Said::Plain(range));
    }

    pub(super) fn gap(&mut self, gap: Gap) {
        self.say(Said::Gap(gap));
    }

    fn say(&mut self, said: Said) {
        self.batch.said.push(said);
        if self.batch.said.len() >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        match &mut self.out {
            Out::Here(lowering) => batch.take_in(lowering),
            // Nobody takes in any more only where the other thread has ended in a panic, which is handed on.
            Out::There(to) => {
                let _nobody_waits = to.send(batch);
            }
        }
    }
}
