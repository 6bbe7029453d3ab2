//! The built-in profiles, a user's own board, and what is said when a profile is wrong.

use std::collections::HashSet;
use std::path::Path;

use sim_mcu::board::{Core, Load};
use sim_mcu::{Bill, Board, Error, Region, Tag, boards, find};

/// The smallest profile that is complete.
const OWN: &str = r#"
name = "own"
title = "A board of my own"
core = { value = "cortex-m4f", source = "[K] data sheet" }
clock_hz = { value = 48_000_000, source = "[K] data sheet" }
supply_volts = { value = [1.8, 3.3], source = "[K] data sheet" }

[[ram]]
name = "SRAM"
base = 0x2000_0000
bytes = 65_536
source = "[K] data sheet"

[flash]
base = 0
bytes = 131_072
source = "[K] data sheet"

[[power]]
mode = "run"
volts = 3.0
milliamps = [2, 4]
load = "headline"
source = "[K] data sheet"
"#;

fn from_text(text: &str) -> Result<Board, Error> {
    let file = tempfile::Builder::new()
        .suffix(".toml")
        .tempfile()
        .expect("a temporary file");
    std::fs::write(file.path(), text).expect("written");
    find(&file.path().display().to_string())
}

/// Line, column and message of the error that `OWN` gives with `old` replaced by `new`.
fn complaint(old: &str, new: &str) -> (usize, usize, String) {
    assert!(OWN.contains(old), "{old:?} is not in the profile");
    match from_text(&OWN.replacen(old, new, 1)).expect_err("the profile is wrong") {
        Error::Invalid {
            line,
            column,
            message,
            ..
        } => (line, column, message),
        other => panic!("not about a place: {other}"),
    }
}

#[test]
fn every_built_in_profile_is_sane() {
    let all = boards().expect("every profile parses");
    let names: HashSet<_> = all.iter().map(|board| board.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "no name twice");
    for board in &all {
        let name = &board.name;
        assert_eq!(find(name).expect("found by its name"), *board);
        assert!(
            (16_000_000..=600_000_000).contains(&board.clock_hz.value),
            "{name}"
        );
        assert!(
            (16 << 10..=2 << 20).contains(&board.ram_total_bytes()),
            "{name}"
        );
        assert!(
            board.ram_budget_bytes() <= board.ram_total_bytes(),
            "{name}"
        );
        assert!(
            board.arena_budget_bytes() < board.ram_budget_bytes(),
            "{name}"
        );
        assert!(
            (256 << 10..=16 << 20).contains(&board.flash_budget_bytes()),
            "{name}"
        );
        let (low, high) = board.supply_volts.as_ref().expect("it is given").value;
        assert!(low >= 1.0 && high <= 5.5, "{name}");
        for row in &board.power {
            let (least, most) = row.picojoules_per_cycle();
            assert!(
                (10.0..5_000.0).contains(&least) && most < 5_000.0,
                "{name}: {row:?}"
            );
        }
        let microjoules = board
            .energy(1e6, None)
            .expect("every profile has a power row")
            .energy;
        assert!(microjoules.bounds().0 > 0.0, "{name}");
        assert!(Bill::for_board(board).fits(), "{name}");
    }
}

#[test]
fn every_figure_of_a_profile_names_its_source() {
    for board in boards().expect("every profile parses") {
        let sources = board.sources();
        assert!(sources.len() >= 7, "{}", board.name);
        for (figure, source) in sources {
            assert!(source.text.len() > 5, "{}: {figure}: {source}", board.name);
            let given = !source.text.contains("without a source");
            assert!(given, "{}: {figure}: {source}", board.name);
        }
    }
}

#[test]
fn every_file_of_the_folder_is_built_in_under_its_own_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/boards");
    let mut files = HashSet::new();
    for entry in std::fs::read_dir(folder).expect("the folder of profiles") {
        let path = entry.expect("an entry").path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a name")
            .to_owned();
        assert_eq!(
            find(&path.display().to_string()).expect("it parses").name,
            stem
        );
        files.insert(stem);
    }
    let built_in: HashSet<_> = boards()
        .expect("they parse")
        .into_iter()
        .map(|board| board.name)
        .collect();
    assert_eq!(files, built_in);
}

#[test]
fn the_reference_board_is_as_its_makers_say() {
    let board = find("nano33ble").expect("built in");
    assert_eq!(board.core.value, Core::CortexM4F);
    assert_eq!(board.target(), "thumbv7em-none-eabihf");
    assert_eq!(board.clock_hz.value, 64_000_000);
    assert_eq!(board.ram_budget_bytes(), 256 << 10);
    assert_eq!(board.flash_budget_bytes(), 1 << 20);
}

#[test]
fn a_board_of_ones_own_is_one_file() {
    let board = from_text(OWN).expect("complete");
    assert_eq!(board.name, "own");
    assert_eq!(board.milliseconds(48_000.0), 1.0);
    assert_eq!(board.runtime.source.tag, Tag::Measured);
    let row = &board.power[0];
    assert_eq!((row.low_milliwatts, row.high_milliwatts), (6.0, 12.0));
    assert_eq!((row.load, row.clock_hz), (Load::Headline, 48_000_000));
    let bill = Bill::for_board(&board);
    let left = bill.left(Region::Ram);
    assert_eq!(left, board.arena_budget_bytes());
    assert_eq!(bill.sum(Region::Ram) + left, 65_536);
}

#[test]
fn a_board_without_power_rows_has_no_energy() {
    let (without, _) = OWN.split_once("[[power]]").expect("a power row");
    let board = from_text(without).expect("power is optional");
    assert!(matches!(
        board.energy(1.0, None),
        Err(Error::NoPower { .. })
    ));
    let text = board
        .energy(1.0, Some("run"))
        .expect_err("no such mode")
        .to_string();
    assert!(text.contains("\"run\""), "{text}");
}

#[test]
fn wrong_profiles_are_explained_at_their_place() {
    // What is replaced, by what, the line, and a part of the message.
    let cases = [
        ("clock_hz", "clok_hz", 5, "Did you mean \"clock_hz\"?"),
        ("cortex-m4f", "cortex-m4", 4, "Did you mean \"cortex-m4f\"?"),
        ("cortex-m4f", "cortex-m4", 4, "Known cores: cortex-m0plus"),
        ("48_000_000", "0", 5, "above 0"),
        ("48_000_000", "\"fast\"", 5, "invalid type"),
        ("[1.8, 3.3]", "[3.3, 1.8]", 6, "[lowest, highest]"),
        ("\"own\"", "\"My Board\"", 2, "lower-case"),
        (
            "[K] data sheet",
            "data sheet",
            4,
            "a source begins with [S]",
        ),
        ("bytes = 65_536", "bytes = 0", 11, "above 0"),
        ("0x2000_0000", "0xffff_ffff", 10, "32-bit address space"),
        ("milliamps = [2, 4]", "", 20, "exactly one of milliwatts"),
        (
            "milliamps = [2, 4]",
            "milliamps = 2\nmilliwatts = 6",
            20,
            "exactly one of milliwatts",
        ),
        ("[2, 4]", "[4, 2]", 22, "[lowest, highest]"),
        (
            "load = \"headline\"",
            "load = \"headlin\"",
            23,
            "Did you mean \"headline\"?",
        ),
        ("[[power]]", "[[powers]]", 19, "Did you mean \"power\"?"),
        (
            "name = \"SRAM\"",
            "name = \"SRAM\"\nkind = \"stm\"",
            10,
            "expected one of",
        ),
        ("title =", "title", 3, ""),
    ];
    for (old, new, line, part) in cases {
        let (at, column, message) = complaint(old, new);
        assert!(message.contains(part), "{new:?}: {message}");
        assert_eq!(at, line, "{new:?}: {message}");
        assert!(column >= 1);
    }
}

#[test]
fn overlapping_banks_are_refused() {
    let second = "[[ram]]\nname = \"alias\"\nbase = 0x2000_8000\nbytes = 16\nsource = \"[K] data sheet\"\n\n[flash]";
    let (line, _, message) = complaint("[flash]", second);
    assert!(
        line == 16 && message.contains("alias begins inside the bank SRAM"),
        "{line}: {message}"
    );
}

#[test]
fn an_impossible_cache_is_refused() {
    let cache = "[flash.data_cache]\nbytes = 100\nline_bytes = 16\nways = 4\nsource = \"[K] data sheet\"\n\n[[power]]";
    let (_, _, message) = complaint("[[power]]", cache);
    assert!(message.contains("ways × sets × line_bytes"), "{message}");
    let pieces = cache.replace("bytes = 100", "bytes = 128\nfill_bytes = 12");
    let (_, _, message) = complaint("[[power]]", &pieces);
    assert!(message.contains("divides line_bytes"), "{message}");
    let control = "[[flash.control]]\nregister = 0x4002_2000\nreset = 0\nwait_states = 6\nprefetch = 0x100\nsource = \"[K] data sheet\"\n\n[[power]]";
    let (_, _, message) = complaint("[[power]]", control);
    assert!(message.contains("bit 0"), "{message}");
    let shared = cache.replace("bytes = 100", "bytes = 128\nunified = true");
    let (_, _, message) = complaint("[[power]]", &shared);
    assert!(message.contains("without a data_cache"), "{message}");
}

#[test]
fn an_unknown_board_names_the_nearest_and_a_missing_file_its_path() {
    let text = find("nano33bel").expect_err("misspelt").to_string();
    assert!(
        text.contains("Did you mean \"nano33ble\"?") && text.contains("its path"),
        "{text}"
    );
    let text = find("nowhere/board.toml").expect_err("missing").to_string();
    assert!(text.contains("nowhere/board.toml"), "{text}");
    assert!(matches!(
        find("nowhere/board.toml"),
        Err(Error::Read { .. })
    ));
}

#[test]
fn a_board_of_ones_own_needs_no_table_for_a_figure_and_no_supply() {
    let plain = OWN
        .replace(
            "core = { value = \"cortex-m4f\", source = \"[K] data sheet\" }",
            "core = \"cortex-m4f\"",
        )
        .replace(
            "clock_hz = { value = 48_000_000, source = \"[K] data sheet\" }",
            "clock_hz = 48_000_000",
        );
    let volts = "supply_volts = { value = [1.8, 3.3], source = \"[K] data sheet\" }";
    assert!(plain.contains("core = \"cortex-m4f\"") && plain.contains("clock_hz = 48"));
    let board = from_text(&plain.replace(volts, "supply_volts = [1.8, 3.3]")).expect("it parses");
    let sourced = from_text(OWN).expect("it parses");
    assert_eq!(board.clock_hz.value, sourced.clock_hz.value);
    assert_eq!(
        board.supply_volts.map(|v| v.value),
        sourced.supply_volts.map(|v| v.value)
    );
    assert_eq!(board.clock_hz.source.tag, Tag::Unverified);
    let board = from_text(&plain.replace(volts, "")).expect("it parses");
    assert_eq!(board.supply_volts, None);
}

#[test]
fn wrong_plain_figures_are_placed() {
    let clock = "clock_hz = { value = 48_000_000, source = \"[K] data sheet\" }";
    for (to, column, part) in [
        ("clock_hz = 0", 12, "above 0"),
        ("clock_hz = -5", 12, "whole number from 0"),
        ("clock_hz = \"fast\"", 12, "whole number from 0"),
        (
            "clock_hz = { value = 0, source = \"[K] x\" }",
            22,
            "above 0",
        ),
        (
            "clock_hz = { value = 5 }",
            12,
            "the key `source` is missing",
        ),
    ] {
        let (line, at, message) = complaint(clock, to);
        assert_eq!((line, at), (5, column), "{to}: {message}");
        assert!(message.contains(part), "{to}: {message}");
    }
}

#[test]
fn flash_does_not_lie_over_ram() {
    for (base, overlaps) in [
        ("0x2000_0000", true),
        ("0x2000_FFFF", true),
        ("0x1FFF_0000", true),
        ("0x2001_0000", false),
        ("0x1FFE_0000", false),
    ] {
        let profile = OWN.replacen("base = 0\n", &format!("base = {base}\n"), 1);
        match from_text(&profile) {
            Ok(_) => assert!(!overlaps, "{base}"),
            Err(error) => {
                let said = error.to_string();
                assert!(
                    overlaps && said.contains("lies over the RAM bank SRAM"),
                    "{base}: {said}"
                );
            }
        }
    }
}
