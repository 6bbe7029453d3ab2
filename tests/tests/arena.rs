//! Everything that is written lies in the arena: nothing is allocated, nothing beside the arena changes,
//! the core has no variables of its own; so an arena that is copied elsewhere goes on as it would have.

use object::{Object, ObjectSection, SectionFlags, SectionKind, elf};
use runtime_shared::learner::Learner;
use runtime_shared::machine;
use runtime_shared::program::{Field, Program};
use runtime_shared::rng::Rng;
use sim_compiler::options::{DetectorSpec, Quantisation};
use sim_compiler::{Online, Options, PolicySpec, Scheme, Store, Trigger, compile};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::memory::{Arena, aligned};
use tests::random::case;

/// The system's allocator; counts, thread by thread, how often it is asked.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

fn asked() -> u64 {
    ASKED.with(Cell::get)
}

// SAFETY: every method hands its arguments, unchanged, to the system's allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ASKED.try_with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let _ = ASKED.try_with(|n| n.set(n.get() + 1));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Random networks, each with another way to learn online.
fn programs() -> impl Iterator<Item = (Options, Vec<u8>, Vec<u8>, usize)> {
    (0..60).map(|seed| {
        let mut case = case(seed);
        let mut rng = Rng::for_purpose(seed, 7);
        let policies = [
            PolicySpec::None,
            PolicySpec::Fifo,
            PolicySpec::Reservoir,
            PolicySpec::ClassBalanced,
        ];
        let policy = policies[seed as usize % 4];
        let triggers = [
            Trigger::EverySample,
            Trigger::Every(2),
            Trigger::ConfidenceBelow(0.9),
            Trigger::AfterDrift(5),
        ];
        let purge_keep = (rng.below(2) == 0).then_some(2);
        case.options.online = Online {
            policy,
            slots: 4,
            store: if rng.below(2) == 0 {
                Store::Raw
            } else {
                Store::Features
            },
            trigger: triggers[rng.below(4) as usize],
            passes: 1 + rng.below(2),
            draw: if policy == PolicySpec::None {
                0
            } else {
                rng.below(3)
            },
            detector: Some(
                DetectorSpec::new(
                    "page_hinkley",
                    &[
                        ("minimum", 3.0),
                        ("delta", 0.0),
                        ("threshold", 0.5),
                        ("alpha", 1.0),
                    ],
                )
                .expect("they are allowed")
                .keeping(purge_keep),
            ),
            quantisation: (rng.below(2) == 0).then_some(Quantisation {
                low: 0.0,
                high: 4.0,
            }),
        };
        case.options.training.batch = 1 + rng.below(3);
        case.options.training.learning_rate = 0.01;
        let compiled = compile(&case.graph, &case.options).expect("the network compiles");
        (
            case.options,
            compiled.image.bytes().to_vec(),
            case.sample,
            case.label,
        )
    })
}

/// Twelve steps of a stream whose labels change halfway; gives what each step said.
fn stream(
    learner: &mut Learner<'_>,
    sample: &[u8],
    label: usize,
    steps: std::ops::Range<usize>,
) -> [u32; 3] {
    let classes = learner.program().classes();
    let mut heard = [0u32; 3];
    for i in steps {
        let label = if i < 6 { label } else { (label + i) % classes };
        if let Ok(step) = learner.learn(sample, label, &mut ()) {
            heard[0] = heard[0].rotate_left(5) ^ step.loss.to_bits();
            heard[1] = heard[1].rotate_left(5) ^ (step.prediction as u32) ^ step.replayed << 8;
        }
        if let Ok(update) = learner.train(sample, label, &mut ()) {
            heard[2] = heard[2].rotate_left(5) ^ update.loss.to_bits();
        }
    }
    heard
}

#[test]
fn nothing_is_allocated_and_nothing_else_is_written() {
    let mut learnt = 0;
    for (options, image, sample, label) in programs() {
        let words = aligned(&image);
        let bytes = machine::bytes(&words);
        let mut arena = Arena::new(
            Program::load(bytes)
                .expect("it loads")
                .size(Field::ArenaBytes),
        );
        let features = vec![
            0;
            Program::load(bytes)
                .expect("it loads")
                .size(Field::FeatureBytes)
        ];
        let room = arena.bytes_mut();

        let before = asked();
        let program = Program::load(bytes).expect("it loads");
        let mut learner = Learner::new(program, room).expect("the arena fits");
        let heard = stream(&mut learner, &sample, label, 0..12);
        let inferred = learner.infer(&sample, &mut ()).is_ok();
        let extracted = learner.extract(&sample).map(<[u8]>::len).ok();
        let classified = learner.classify(&features).is_ok();
        learner.reset();
        let resumed = Learner::resume(program, room).is_ok();
        let after = asked();

        assert_eq!(before, after, "allocations with {options:?}");
        assert!(inferred && resumed && extracted.is_some() && classified != features.is_empty());
        assert!(
            arena.is_intact(),
            "written beside the arena with {options:?}"
        );
        assert_eq!(bytes, image, "the image changed");
        learnt += u32::from(heard != [0; 3]);
    }
    assert!(learnt > 30, "only {learnt} of these learnt anything");
}

#[test]
fn a_copied_arena_goes_on_where_it_was() {
    for (options, image, sample, label) in programs() {
        let words = aligned(&image);
        let program = Program::load(machine::bytes(&words)).expect("it loads");
        let mut arena = Arena::new(program.size(Field::ArenaBytes));
        let mut learner = Learner::new(program, arena.bytes_mut()).expect("the arena fits");
        stream(&mut learner, &sample, label, 0..5);
        let snapshot = learner.arena().to_vec();
        let straight = stream(&mut learner, &sample, label, 5..12);
        let end = learner.arena().to_vec();

        // Another image in memory, another arena.
        let words = aligned(&image);
        let program = Program::load(machine::bytes(&words)).expect("it loads");
        let mut elsewhere = Arena::new(program.size(Field::ArenaBytes));
        elsewhere.bytes_mut().copy_from_slice(&snapshot);
        let mut learner =
            Learner::resume(program, elsewhere.bytes_mut()).expect("it is this Program's arena");
        let resumed = stream(&mut learner, &sample, label, 5..12);
        assert_eq!(resumed, straight, "{options:?}");
        assert!(learner.arena() == end, "the arenas differ: {options:?}");
    }
}

#[test]
fn the_arena_of_another_program_is_refused() {
    let mut images = programs().map(|p| p.1).filter(|i| i.len() < 1 << 16);
    let (a, b) = (images.next().expect("one"), images.next().expect("another"));
    let (a, b) = (aligned(&a), aligned(&b));
    let (a, b) = (
        Program::load(machine::bytes(&a)).expect("it loads"),
        Program::load(machine::bytes(&b)).expect("it loads"),
    );
    let mut arena = Arena::new(a.size(Field::ArenaBytes).max(b.size(Field::ArenaBytes)));
    assert!(Learner::resume(a, arena.bytes_mut()).is_err(), "rubbish");
    Learner::new(a, arena.bytes_mut()).expect("the arena fits");
    assert!(Learner::resume(b, arena.bytes_mut()).is_err(), "another's");
    assert!(Learner::resume(a, arena.bytes_mut()).is_ok(), "its own");
}

#[test]
fn stored_features_and_raw_samples_are_both_among_the_programs() {
    let (mut features, mut raw) = (0, 0);
    for (options, image, ..) in programs() {
        let words = aligned(&image);
        let stored = Program::load(machine::bytes(&words))
            .expect("it loads")
            .size(Field::FeatureBytes);
        assert!(
            stored == 0
                || (options.online.store == Store::Features && options.scheme != Scheme::None)
        );
        if stored > 0 { features += 1 } else { raw += 1 }
    }
    assert!(
        features >= 5 && raw >= 5,
        "{features} store features, {raw} raw samples"
    );
}

/// Cross-compiles the core for a core without a floating-point unit and looks for variables.
#[test]
fn the_core_has_no_variables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let target = "thumbv6m-none-eabi";
    let installed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output();
    let installed = installed.is_ok_and(|o| {
        String::from_utf8_lossy(&o.stdout)
            .lines()
            .any(|l| l == target)
    });
    if !installed {
        let added = Command::new("rustup")
            .args(["target", "add", target])
            .status();
        assert!(
            added.is_ok_and(|s| s.success()),
            "the target {target} is missing; run: rustup target add {target}"
        );
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("core");
    let status = Command::new(env!("CARGO"))
        .current_dir(root)
        .args([
            "build",
            "--release",
            "--quiet",
            "-p",
            "runtime-shared",
            "--lib",
            "--target",
            target,
        ])
        .arg("--target-dir")
        .arg(&folder)
        .env_remove("RUSTFLAGS")
        .status();
    assert!(
        status.is_ok_and(|s| s.success()),
        "the core does not build for {target}"
    );

    let release = folder.join(target).join("release");
    let mut built: Vec<PathBuf> = vec![release.join("libruntime_shared.rlib")];
    // The library of a dependency carries a hash in its name.
    for entry in std::fs::read_dir(release.join("deps")).expect("the dependencies were built") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("libruntime_kernels") && name.ends_with(".rlib") {
            built.push(path);
        }
    }
    assert!(built.len() > 1, "the kernels were not found");
    built.iter().for_each(|path| check_sections(path));
}

/// Fails where a library has a section that a program could write.
fn check_sections(path: &Path) {
    let data = std::fs::read(path).expect("the library was built");
    let archive = object::read::archive::ArchiveFile::parse(&*data).expect("an archive");
    let (mut objects, mut code) = (0, 0);
    for member in archive.members() {
        let member = member.expect("a member");
        let bytes = member.data(&*data).expect("its bytes");
        let Ok(file) = object::File::parse(bytes) else {
            continue;
        };
        objects += 1;
        for section in file.sections() {
            if section.kind() == SectionKind::Text {
                code += section.size();
            }
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                panic!("not an ELF")
            };
            let both = elf::SHF_WRITE | elf::SHF_ALLOC;
            let writable = sh_flags & both == both;
            assert!(
                !writable || section.size() == 0,
                "{} has {} bytes that can be written",
                section.name().unwrap_or("a section"),
                section.size()
            );
        }
    }
    assert!(
        objects > 0 && code > 1000,
        "{objects} objects with {code} bytes of code"
    );
}
