//! The device's side: takes requests from a link, works on a learner, answers.
//!
//! All memory is one pool that the caller gives. From its start: two frames, the image (where it came
//! over the link), the arena, the sample, the profile.

use super::frame::FRAME_BYTES;
use super::link::{Link, Port};
use super::message::{
    Area, Clock, Hello, Job, Refused, Request, Response, Source, Started, Summary,
};
use super::profile::{self, Counter};
use super::synthetic::Samples;
use super::{DATA_BYTES, VERSION};
use runtime_shared::learner::Learner;
use runtime_shared::machine;
use runtime_shared::program::{Field, Program, crc32};

/// Bytes of the pool that the link takes.
pub const LINK_BYTES: usize = (2 * FRAME_BYTES).next_multiple_of(4);

/// What the server must know about the machine that it runs on.
pub trait Board {
    /// Cycles, modulo 2³².
    fn cycles(&mut self) -> u32;
    /// What counts them.
    fn clock(&self) -> Clock;
    /// The target that the firmware was built for.
    fn target(&self) -> &'static str;
    /// Bytes of RAM set aside for the stack.
    fn stack_bytes(&self) -> u32;
    /// Most bytes of stack that were ever used.
    fn stack_used(&self) -> u32;
    /// Bytes of RAM that statics take.
    fn static_bytes(&self) -> u32;
    /// Bytes of flash that the firmware takes.
    fn flash_bytes(&self) -> u32;
    /// Where in flash a Program is looked for.
    fn program_at(&self) -> u32;
}

/// Serves until the host asks for the end or is gone. `pool` is all the RAM there is to work with;
/// `flash` is where a Program may lie.
pub fn serve<P: Port, B: Board>(port: P, board: &mut B, pool: &mut [u8], flash: &[u8]) {
    if pool.len() < LINK_BYTES {
        return;
    }
    let (link, pool) = pool.split_at_mut(LINK_BYTES);
    let (rx, tx) = link.split_at_mut(FRAME_BYTES);
    let mut link = Link::new(port, rx, tx);
    idle(&mut link, board, pool, flash);
}

/// Why a session ended.
enum End {
    /// The host asks for the end or is gone.
    Closed,
    /// The host wants to load an image of so many bytes.
    Load(usize),
}

/// Before a learner is started.
fn idle<P: Port, B: Board>(link: &mut Link<'_, P>, board: &mut B, pool: &mut [u8], flash: &[u8]) {
    let mut image = 0;
    while let Some(sequence) = link.receive() {
        let response = match link.request() {
            Some(Request::Hello) => hello(board, pool.len()),
            Some(Request::Load { bytes }) => {
                let response = room(bytes, pool.len());
                image = if response == Response::Done {
                    bytes as usize
                } else {
                    image
                };
                response
            }
            Some(Request::Write {
                area: Area::Image,
                at,
                bytes,
            }) => store(&mut pool[..image], at, bytes),
            Some(Request::Start(source)) => {
                match start(link, sequence, board, pool, image, source, flash) {
                    Ok(End::Closed) => return,
                    Ok(End::Load(bytes)) => {
                        image = bytes;
                        continue;
                    }
                    Err(refused) => Response::Refused(refused),
                }
            }
            Some(Request::Exit) => {
                link.respond(sequence, &Response::Done);
                return;
            }
            Some(Request::Stack) => Response::Stack {
                used: board.stack_used(),
            },
            Some(_) => Response::Refused(Refused::NotStarted),
            None => Response::Refused(Refused::Unknown),
        };
        link.respond(sequence, &response);
    }
}

fn hello<B: Board>(board: &B, pool: usize) -> Response<'static> {
    Response::Hello(Hello {
        protocol: VERSION,
        target: board.target(),
        version: env!("CARGO_PKG_VERSION"),
        clock: board.clock(),
        stack_bytes: board.stack_bytes(),
        static_bytes: board.static_bytes(),
        link_bytes: LINK_BYTES as u32,
        pool_bytes: pool as u32,
        flash_bytes: board.flash_bytes(),
        program_at: board.program_at(),
    })
}

/// Whether an image of `bytes` has room in a pool of `available`.
fn room(bytes: u32, available: usize) -> Response<'static> {
    if bytes as usize <= available & !3 {
        Response::Done
    } else {
        Response::Refused(Refused::TooLarge {
            needed: bytes,
            available: available as u32,
        })
    }
}

fn store(area: &mut [u8], at: u32, bytes: &[u8]) -> Response<'static> {
    let end = area.len() as u32;
    match area
        .get_mut(at as usize..)
        .and_then(|to| to.get_mut(..bytes.len()))
    {
        Some(to) => {
            to.copy_from_slice(bytes);
            Response::Done
        }
        None => Response::Refused(Refused::Range { end }),
    }
}

/// Starts a learner and serves until it ends.
fn start<P: Port, B: Board>(
    link: &mut Link<'_, P>,
    sequence: u8,
    board: &mut B,
    pool: &mut [u8],
    image: usize,
    source: Source,
    flash: &[u8],
) -> Result<End, Refused> {
    let image = if source == Source::Ram { image } else { 0 };
    let all = pool.len();
    let (ram, pool) = pool.split_at_mut(image.next_multiple_of(4));
    let program = match source {
        Source::Ram if image == 0 => return Err(Refused::NoProgram),
        Source::Ram => Program::load(&ram[..image]),
        Source::Flash => Program::load(programmed(flash).ok_or(Refused::NoProgram)?),
    };
    let program = program.map_err(|refusal| Refused::Program(refusal.into()))?;
    let arena = program.size(Field::ArenaBytes);
    let sample = program.size(Field::SampleBytes);
    let needed = arena.saturating_add(sample.next_multiple_of(4));
    let Some((work, rest)) = pool.split_at_mut_checked(needed) else {
        let needed = needed.saturating_add(ram.len()) as u32;
        return Err(Refused::TooLarge {
            needed,
            available: all as u32,
        });
    };
    let (arena_bytes, sample_bytes) = work.split_at_mut(arena);
    let profile = profile::bytes(&program);
    let profile = if profile <= rest.len() { profile } else { 0 };
    let (entries, free) = rest.split_at_mut(profile);
    let mut session = Session {
        learner: Learner::new(program, arena_bytes)?,
        sample: &mut sample_bytes[..sample],
        entries,
        counting: false,
        restoring: false,
        board,
    };
    link.respond(
        sequence,
        &Response::Started(Started {
            checksum: program.get(Field::Checksum),
            arena_bytes: arena as u32,
            sample_bytes: sample as u32,
            profile_bytes: profile as u32,
            free_bytes: free.len() as u32,
        }),
    );
    Ok(session.serve(link, all))
}

/// The bytes of `flash` that a Program at its start claims.
fn programmed(flash: &[u8]) -> Option<&[u8]> {
    let at = Field::Length as usize * 4;
    let length = u32::from_le_bytes(*flash.get(at..)?.first_chunk()?);
    flash.get(..length as usize)
}

/// A learner at work.
struct Session<'a, 'b, B> {
    learner: Learner<'a>,
    sample: &'a mut [u8],
    entries: &'a mut [u8],
    counting: bool,
    /// Whether the arena is being written, so that nothing may work on it yet.
    restoring: bool,
    board: &'b mut B,
}

impl<'a, B: Board> Session<'a, '_, B> {
    /// Serves until the link closes or another image is to be loaded.
    fn serve<P: Port>(&mut self, link: &mut Link<'_, P>, pool: usize) -> End {
        while let Some(sequence) = link.receive() {
            let mut end = None;
            let response = match link.request() {
                Some(Request::Hello) => hello(self.board, pool),
                Some(Request::Load { bytes }) => {
                    let response = room(bytes, pool);
                    end = (response == Response::Done).then_some(End::Load(bytes as usize));
                    response
                }
                Some(Request::Exit) => {
                    end = Some(End::Closed);
                    Response::Done
                }
                Some(request) => self.answer(request).unwrap_or_else(Response::Refused),
                None => Response::Refused(Refused::Unknown),
            };
            link.respond(sequence, &response);
            if let Some(end) = end {
                return end;
            }
        }
        End::Closed
    }

    fn answer(&mut self, request: Request<'_>) -> Result<Response<'_>, Refused> {
        let works = matches!(
            request,
            Request::Infer
                | Request::Learn { .. }
                | Request::Train { .. }
                | Request::Synthetic { .. }
        );
        if self.restoring && works {
            return Err(Refused::Arena);
        }
        Ok(match request {
            Request::Write {
                area: Area::Arena,
                at,
                bytes,
            } => {
                self.restoring = true;
                store(self.learner.arena_mut(), at, bytes)
            }
            Request::Resume => {
                self.learner.check_arena()?;
                self.restoring = false;
                Response::Done
            }
            Request::Write {
                area: Area::Sample,
                at,
                bytes,
            } => store(self.sample, at, bytes),
            Request::Infer => {
                let (class, cycles) = self.infer()?;
                Response::Prediction { class, cycles }
            }
            Request::Learn { label } => self.learn(label)?,
            Request::Train { label } => self.train(label)?,
            Request::Synthetic {
                job,
                seed,
                samples,
                density,
            } => Response::Summary(self.synthetic(job, samples, Samples::new(seed, density))?),
            Request::Read { area, at, bytes } => self.read(area, at, bytes)?,
            Request::Digest => Response::Digest(crc32(&[self.learner.arena()])),
            Request::Profile { on } => {
                self.counting = on;
                if on {
                    self.entries.fill(0);
                }
                Response::Done
            }
            Request::Stack => Response::Stack {
                used: self.board.stack_used(),
            },
            Request::Reset => {
                self.learner.reset();
                self.restoring = false;
                Response::Done
            }
            Request::Write { .. } | Request::Start(_) => {
                return Err(Refused::Range { end: 0 });
            }
            Request::Hello | Request::Load { .. } | Request::Exit => return Err(Refused::Unknown),
        })
    }

    fn infer(&mut self) -> Result<(u32, u32), Refused> {
        let (learner, sample, mut counter) = self.parts();
        let start = counter.board.cycles();
        let class = learner.infer(sample, &mut counter)? as u32;
        Ok((class, counter.board.cycles().wrapping_sub(start)))
    }

    fn learn(&mut self, label: u32) -> Result<Response<'static>, Refused> {
        let (learner, sample, mut counter) = self.parts();
        let start = counter.board.cycles();
        let step = learner.learn(sample, label as usize, &mut counter)?;
        Ok(Response::step(
            &step,
            counter.board.cycles().wrapping_sub(start),
        ))
    }

    fn train(&mut self, label: u32) -> Result<Response<'static>, Refused> {
        let (learner, sample, mut counter) = self.parts();
        let start = counter.board.cycles();
        let update = learner.train(sample, label as usize, &mut counter)?;
        let cycles = counter.board.cycles().wrapping_sub(start);
        Ok(Response::Step {
            prediction: update.prediction as u32,
            loss_bits: update.loss.to_bits(),
            replayed: 1,
            stored: self.learner.state().stored,
            drift: false,
            cycles,
        })
    }

    fn synthetic(
        &mut self,
        job: Job,
        samples: u32,
        mut stream: Samples,
    ) -> Result<Summary, Refused> {
        let mut summary = Summary::default();
        for _ in 0..samples {
            let label = stream.draw(self.sample, self.learner.program().classes() as u32);
            let response = match job {
                Job::Infer => {
                    let (class, cycles) = self.infer()?;
                    Response::Prediction { class, cycles }
                }
                Job::Learn => self.learn(label)?,
                Job::Train => self.train(label)?,
            };
            summary.add(label, &response);
        }
        Ok(summary)
    }

    fn read(&self, area: Area, at: u32, bytes: u32) -> Result<Response<'_>, Refused> {
        let from = match area {
            Area::Arena => self.learner.arena(),
            Area::Parameter(index) => self.learner.parameter_bytes(index as usize).unwrap_or(&[]),
            Area::Outputs => machine::bytes(self.learner.outputs()),
            Area::Profile => self.entries,
            Area::Image | Area::Sample => &[],
        };
        let refused = Refused::Range {
            end: from.len() as u32,
        };
        let bytes = bytes as usize;
        let part = from.get(at as usize..).and_then(|from| from.get(..bytes));
        part.filter(|_| bytes <= DATA_BYTES)
            .map(Response::Bytes)
            .ok_or(refused)
    }

    fn parts(&mut self) -> (&mut Learner<'a>, &[u8], Counter<'_, 'a, B>) {
        let program = *self.learner.program();
        let entries: &mut [u8] = if self.counting { self.entries } else { &mut [] };
        let counter = Counter {
            program,
            board: &mut *self.board,
            entries,
            start: 0,
        };
        (&mut self.learner, self.sample, counter)
    }
}
