//! Programs as people build them with gcc: C++, newlib and newlib-nano, every optimisation, every way to pass
//! floats, a small operating system. They print what they print in QEMU.

mod toolchain;

use std::path::Path;

use sim_emulator::{Mode, Stop};
use toolchain::{
    M0PLUS, M3, M4_HARD, M4_SOFT, M4_SOFTFP, M7, M33, Target, build, folder, in_qemu, load,
};

fn here(target: &Target, elf: &Path, mode: Mode) -> (Stop, String) {
    let (mut emulator, written) = load(target.machine(), &std::fs::read(elf).unwrap());
    emulator.set_mode(mode);
    let stop = emulator.run(200_000_000);
    let text = String::from_utf8_lossy(&written.lock().unwrap()).into_owned();
    (stop, text)
}

/// Builds a program each way, runs it here and in QEMU, and compares what it printed.
fn compare(program: &str, ways: &[(&Target, &[&str])], last_line: &str) {
    let directory = folder(program);
    for (target, options) in ways {
        let elf = build(&directory, target, program, options);
        let (theirs, code) = in_qemu(target.machine, &elf);
        assert!(
            theirs.contains(last_line),
            "{} {options:?} in QEMU: {theirs}",
            target.core
        );
        for mode in [Mode::Count, Mode::Time] {
            let (stop, ours) = here(target, &elf, mode);
            assert_eq!(
                stop,
                Stop::Exit(code.unwrap()),
                "{} {options:?} {mode:?}: {stop}\n{ours}",
                target.core
            );
            assert_eq!(ours, theirs, "{} {options:?} {mode:?}", target.core);
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_libraries_of_c_and_cpp_work_on_every_core() {
    // newlib-nano comes without exceptions.
    let nano = "--specs=nano.specs";
    let plain = "-fno-exceptions";
    compare(
        "library.cpp",
        &[
            (&M0PLUS, &["-Os"]),
            (&M3, &["-O3"]),
            (&M4_SOFT, &["-O0"]),
            (
                &M4_SOFTFP,
                &[
                    "-O2",
                    nano,
                    plain,
                    "-u",
                    "_printf_float",
                    "-u",
                    "_scanf_float",
                ],
            ),
            (&M4_HARD, &["-O3", "-flto"]),
            (&M7, &["-O2", "-funroll-loops"]),
            (
                &M33,
                &[
                    "-Os",
                    nano,
                    plain,
                    "-u",
                    "_printf_float",
                    "-u",
                    "_scanf_float",
                ],
            ),
        ],
        "caught ",
    );
}

#[test]
fn tasks_are_switched_with_their_floating_point_registers() {
    compare(
        "tasks.c",
        &[
            (&M3, &["-O2"]),
            (&M4_HARD, &["-O2"]),
            (&M4_SOFTFP, &["-O0"]),
            (&M7, &["-O3"]),
            (&M33, &["-Os"]),
        ],
        "slept 1",
    );
}
