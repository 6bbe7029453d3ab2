//! A learner on a device, used as one in this process is.

use crate::error::Error;
use crate::link::{Link, Patience, Trouble};
use crate::transport::Transport;
use runtime_protocol::message::Flaw;
use runtime_protocol::profile::{self, ENTRY_BYTES, Entry};
use runtime_protocol::{
    Area, Clock, DATA_BYTES, Hello, Job, Request, Response, Source, Started, Summary, VERSION,
};
use runtime_shared::program::{List, Program};
use runtime_shared::state::{STATE_BYTES, State};
use std::ops::Range;
use std::time::Duration;

/// Who the device is, as it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The target that its firmware was built for.
    pub target: String,
    /// The version of its core.
    pub version: String,
    /// What counts its cycles.
    pub clock: Clock,
    /// Bytes of RAM set aside for the stack.
    pub stack_bytes: u32,
    /// Bytes of RAM that the firmware's statics take.
    pub static_bytes: u32,
    /// Bytes of RAM for the link's buffers.
    pub link_bytes: u32,
    /// Bytes of RAM left for image, arena, sample and profile.
    pub pool_bytes: u32,
    /// Bytes of flash that firmware and constants take.
    pub flash_bytes: u32,
    /// Where in flash a Program is looked for.
    pub program_at: u32,
}

/// What a sample did on the device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceStep {
    /// The class predicted before learning.
    pub prediction: usize,
    /// Mean loss; not a number where nothing was replayed.
    pub loss: f32,
    /// Samples replayed.
    pub replayed: u32,
    /// Samples in the buffer now.
    pub stored: u32,
    /// Whether the detector fired.
    pub drift: bool,
    /// Cycles that the device counted.
    pub cycles: u32,
}

/// What a kernel call cost on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallCycles {
    /// The list.
    pub list: List,
    /// The call's place in it.
    pub call: usize,
    /// Runs, inputs that were not skipped, cycles.
    pub entry: Entry,
}

/// A learner at the other end of a link.
pub struct RemoteLearner<T> {
    link: Link<T>,
    greeting: Greeting,
    image: Vec<u8>,
    started: Option<Started>,
    /// How long the device may work on one sample.
    pub step_patience: Duration,
}

impl<T: Transport> RemoteLearner<T> {
    /// Meets the device.
    ///
    /// # Errors
    /// [`Error::Version`], and what the link says.
    pub fn connect(transport: T, patience: Patience) -> Result<Self, Error> {
        let mut link = Link::new(transport, patience);
        let Response::Hello(hello) = link.ask(&Request::Hello, Duration::ZERO)? else {
            return Err(Error::Answer { request: "hello" });
        };
        if hello.protocol != VERSION {
            return Err(Error::Version {
                device: hello.protocol,
                host: VERSION,
            });
        }
        let greeting = Greeting::from(hello);
        let step_patience = Duration::from_secs(60);
        Ok(Self {
            link,
            greeting,
            image: Vec::new(),
            started: None,
            step_patience,
        })
    }

    /// Who the device is.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// What the link had to put up with so far.
    pub fn trouble(&self) -> Trouble {
        self.link.trouble
    }

    /// Makes the host more or less patient from here on.
    pub fn set_patience(&mut self, patience: Patience) {
        self.link.patience = patience;
    }

    /// The transport.
    pub fn transport(&mut self) -> &mut T {
        self.link.transport()
    }

    /// Sends `image` into the device's RAM and starts a learner on it.
    ///
    /// # Errors
    /// [`Error::Image`], and what device and link say.
    pub fn load(&mut self, image: &[u8]) -> Result<Started, Error> {
        self.check(image)?;
        self.done(&Request::Load {
            bytes: image.len() as u32,
        })?;
        self.write(Area::Image, 0, image)?;
        self.start(Source::Ram, image)
    }

    /// Starts a learner on the Program in the device's flash, which must be `image`.
    ///
    /// # Errors
    /// [`Error::Image`], and what device and link say.
    pub fn start_flashed(&mut self, image: &[u8]) -> Result<Started, Error> {
        self.check(image)?;
        // Ends a learner that may be at work.
        self.done(&Request::Load { bytes: 0 })?;
        self.start(Source::Flash, image)
    }

    /// Runs inference; gives the class and the cycles that it took.
    ///
    /// # Errors
    /// [`Error::Sample`], and what device and link say.
    pub fn infer(&mut self, sample: &[u8]) -> Result<(usize, u32), Error> {
        self.sample(sample)?;
        match self.link.ask(&Request::Infer, self.step_patience)? {
            Response::Prediction { class, cycles } => Ok((class as usize, cycles)),
            _ => Err(Error::Answer { request: "infer" }),
        }
    }

    /// Predicts and learns as the Program says.
    ///
    /// # Errors
    /// [`Error::Sample`], and what device and link say.
    pub fn learn(&mut self, sample: &[u8], label: usize) -> Result<DeviceStep, Error> {
        self.sample(sample)?;
        self.step(&Request::Learn {
            label: label as u32,
        })
    }

    /// One supervised update.
    ///
    /// # Errors
    /// [`Error::Sample`], and what device and link say.
    pub fn train(&mut self, sample: &[u8], label: usize) -> Result<DeviceStep, Error> {
        self.sample(sample)?;
        self.step(&Request::Train {
            label: label as u32,
        })
    }

    /// Samples that the device draws itself; `patience` is for all of them.
    ///
    /// # Errors
    /// What device and link say.
    pub fn synthetic(
        &mut self,
        job: Job,
        seed: u64,
        samples: u32,
        density: u8,
        patience: Duration,
    ) -> Result<Summary, Error> {
        match self.link.ask(
            &Request::Synthetic {
                job,
                seed,
                samples,
                density,
            },
            patience,
        )? {
            Response::Summary(summary) => Ok(summary),
            _ => Err(Error::Answer {
                request: "synthetic",
            }),
        }
    }

    /// Every trained parameter tensor, in the order of the Program's table, of the type that it says there.
    ///
    /// # Errors
    /// What device and link say.
    pub fn parameters(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let program = Program::load(&self.image).map_err(|r| Error::Image {
            why: Flaw::from(r).sentence(),
        })?;
        let lengths: Vec<usize> = (0..)
            .map_while(|i| program.parameter(i))
            .map(|p| p.bytes)
            .collect();
        lengths
            .iter()
            .enumerate()
            .map(|(i, &len)| self.read(Area::Parameter(i as u32), len))
            .collect()
    }

    /// Outputs of the last inference.
    ///
    /// # Errors
    /// What device and link say.
    pub fn outputs(&mut self) -> Result<Vec<f32>, Error> {
        use runtime_shared::program::Field;
        let program = Program::load(&self.image).map_err(|r| Error::Image {
            why: Flaw::from(r).sentence(),
        })?;
        let len = program.size(Field::OutputCount);
        self.floats(Area::Outputs, len)
    }

    /// What the learner remembers: updates, buffer, detector, generator.
    ///
    /// # Errors
    /// What device and link say.
    pub fn state(&mut self) -> Result<State, Error> {
        let bytes = self.read(Area::Arena, STATE_BYTES)?;
        // The state's words are floats to the core, which wants them aligned.
        let words: Vec<f32> = floats(&bytes);
        Ok(State::load(runtime_shared::machine::bytes(&words)))
    }

    /// The whole arena.
    ///
    /// # Errors
    /// What device and link say.
    pub fn arena(&mut self) -> Result<Vec<u8>, Error> {
        let bytes = self.started.map_or(0, |s| s.arena_bytes as usize);
        self.read(Area::Arena, bytes)
    }

    /// Replaces the arena by one that this Program left, here or elsewhere, and goes on from there. What lies in `unused` holds
    /// nothing, and is not sent.
    ///
    /// # Errors
    /// What device and link say: [`Error::Refused`] where the arena is not one of this Program.
    pub fn restore(&mut self, arena: &[u8], unused: Range<usize>) -> Result<(), Error> {
        let behind = unused.end.max(unused.start).min(arena.len());
        self.write(Area::Arena, 0, &arena[..unused.start.min(arena.len())])?;
        self.write(Area::Arena, behind, &arena[behind..])?;
        self.done(&Request::Resume)
    }

    /// CRC-32 of the whole arena.
    ///
    /// # Errors
    /// What device and link say.
    pub fn digest(&mut self) -> Result<u32, Error> {
        match self.link.ask(&Request::Digest, self.step_patience)? {
            Response::Digest(crc) => Ok(crc),
            _ => Err(Error::Answer { request: "digest" }),
        }
    }

    /// Starts (and clears) or stops counting cycles by kernel call.
    ///
    /// # Errors
    /// What device and link say.
    pub fn count_cycles(&mut self, on: bool) -> Result<(), Error> {
        self.done(&Request::Profile { on })
    }

    /// Cycles by kernel call since [`RemoteLearner::count_cycles`]; empty where the device had no room to
    /// count in.
    ///
    /// # Errors
    /// What device and link say.
    pub fn profile(&mut self) -> Result<Vec<CallCycles>, Error> {
        let bytes = self.read(
            Area::Profile,
            self.started.map_or(0, |s| s.profile_bytes as usize),
        )?;
        let program = Program::load(&self.image).map_err(|r| Error::Image {
            why: Flaw::from(r).sentence(),
        })?;
        let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
        let lists = [List::Infer, List::Learn, List::Apply];
        let calls = lists
            .into_iter()
            .flat_map(|list| (0..program.count(list)).map(move |call| (list, call)));
        Ok(calls
            .filter_map(|(list, call)| {
                let entry = entries.get(profile::index(&program, list, call))?;
                Some(CallCycles {
                    list,
                    call,
                    entry: Entry::decode(entry),
                })
            })
            .collect())
    }

    /// Most bytes of stack that the firmware ever used.
    ///
    /// # Errors
    /// What device and link say.
    pub fn stack_used(&mut self) -> Result<u32, Error> {
        match self.link.ask(&Request::Stack, Duration::ZERO)? {
            Response::Stack { used } => Ok(used),
            _ => Err(Error::Answer { request: "stack" }),
        }
    }

    /// Back to the initial parameters.
    ///
    /// # Errors
    /// What device and link say.
    pub fn reset(&mut self) -> Result<(), Error> {
        self.done(&Request::Reset)
    }

    /// Ends the firmware.
    ///
    /// # Errors
    /// What device and link say.
    pub fn exit(mut self) -> Result<(), Error> {
        self.done(&Request::Exit)
    }

    fn check(&self, image: &[u8]) -> Result<(), Error> {
        Program::load(image).map(drop).map_err(|r| Error::Image {
            why: Flaw::from(r).sentence(),
        })
    }

    fn start(&mut self, source: Source, image: &[u8]) -> Result<Started, Error> {
        match self.link.ask(&Request::Start(source), self.step_patience)? {
            Response::Started(started) => {
                self.image = image.to_vec();
                self.started = Some(started);
                Ok(started)
            }
            _ => Err(Error::Answer { request: "start" }),
        }
    }

    fn sample(&mut self, sample: &[u8]) -> Result<(), Error> {
        let expected = self.started.map_or(0, |s| s.sample_bytes as usize);
        if sample.len() != expected {
            return Err(Error::Sample {
                expected,
                given: sample.len(),
            });
        }
        self.write(Area::Sample, 0, sample)
    }

    fn step(&mut self, request: &Request<'_>) -> Result<DeviceStep, Error> {
        match self.link.ask(request, self.step_patience)? {
            Response::Step {
                prediction,
                loss_bits,
                replayed,
                stored,
                drift,
                cycles,
            } => Ok(DeviceStep {
                prediction: prediction as usize,
                loss: f32::from_bits(loss_bits),
                replayed,
                stored,
                drift,
                cycles,
            }),
            _ => Err(Error::Answer { request: "a step" }),
        }
    }

    fn done(&mut self, request: &Request<'_>) -> Result<(), Error> {
        match self.link.ask(request, Duration::ZERO)? {
            Response::Done => Ok(()),
            _ => Err(Error::Answer {
                request: "a command",
            }),
        }
    }

    fn write(&mut self, area: Area, start: usize, bytes: &[u8]) -> Result<(), Error> {
        for (i, bytes) in bytes.chunks(DATA_BYTES).enumerate() {
            self.done(&Request::Write {
                area,
                at: (start + i * DATA_BYTES) as u32,
                bytes,
            })?;
        }
        Ok(())
    }

    fn read(&mut self, area: Area, len: usize) -> Result<Vec<u8>, Error> {
        let mut all = Vec::with_capacity(len);
        while all.len() < len {
            let bytes = (len - all.len()).min(DATA_BYTES);
            let request = Request::Read {
                area,
                at: all.len() as u32,
                bytes: bytes as u32,
            };
            match self.link.ask(&request, Duration::ZERO)? {
                Response::Bytes(part) if part.len() == bytes => all.extend_from_slice(part),
                _ => return Err(Error::Answer { request: "read" }),
            }
        }
        Ok(all)
    }

    fn floats(&mut self, area: Area, len: usize) -> Result<Vec<f32>, Error> {
        Ok(floats(&self.read(area, len * 4)?))
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect()
}

impl From<Hello<'_>> for Greeting {
    fn from(hello: Hello<'_>) -> Self {
        Self {
            target: hello.target.to_owned(),
            version: hello.version.to_owned(),
            clock: hello.clock,
            stack_bytes: hello.stack_bytes,
            static_bytes: hello.static_bytes,
            link_bytes: hello.link_bytes,
            pool_bytes: hello.pool_bytes,
            flash_bytes: hello.flash_bytes,
            program_at: hello.program_at,
        }
    }
}
