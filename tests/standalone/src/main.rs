//! A program of somebody else: trains 784-32-10 with the core alone, on a host and on a microcontroller.
//!
//! `IMAGE` is the path of the Program, which `tests/tests/standalone.rs` compiles. On a microcontroller nothing starts this:
//! it is there to be linked and weighed. With `cortex-m-rt` it would be started by `#[entry]`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use runtime_shared::learner::Learner;
use runtime_shared::machine;
use runtime_shared::program::Program;
use runtime_shared::rng::Rng;

/// Words of the arena.
const ARENA: usize = 27_000;
const SAMPLES: u32 = 400;

#[repr(align(4))]
struct Aligned<T>(T);

static IMAGE: Aligned<[u8; include_bytes!(env!("IMAGE")).len()]> =
    Aligned(*include_bytes!(env!("IMAGE")));

/// A bar whose place is the class, in noise.
fn draw(rng: &mut Rng, label: usize, sample: &mut [u8; 784]) {
    for (i, pixel) in sample.iter_mut().enumerate() {
        let lit = i / 28 / 2 == label + 2;
        *pixel = if lit { 200 } else { 0 } + (rng.below(40) as u8);
    }
}

/// Learns from each sample once; how many of the second half were predicted rightly before, in percent.
fn train() -> Option<u32> {
    let mut arena = [0.0f32; ARENA];
    let program = Program::load(&IMAGE.0).ok()?;
    let mut learner = Learner::new(program, machine::bytes_mut(&mut arena)).ok()?;
    let (mut rng, mut sample, mut right) = (Rng::new(1), [0; 784], 0);
    for i in 0..SAMPLES {
        let label = rng.below(10) as usize;
        draw(&mut rng, label, &mut sample);
        let step = learner.learn(&sample, label, &mut ()).ok()?;
        right += u32::from(i >= SAMPLES / 2 && step.prediction == label);
    }
    Some(right * 100 / (SAMPLES / 2))
}

#[cfg(not(target_os = "none"))]
fn main() {
    match train() {
        Some(percent) => println!("{percent}"),
        None => std::process::exit(1),
    }
}

#[cfg(target_os = "none")]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    core::hint::black_box(train());
    loop {}
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
