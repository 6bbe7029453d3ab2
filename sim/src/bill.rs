//! The bill of a compiled Program on a board.

use sim_compiler::{Account, BlockKind};
use sim_mcu::{Bill, Board, Kind, Region};

/// Every byte that `account` lists and the firmware take of `board`.
pub fn bill(account: &Account, board: &Board) -> Bill {
    let mut bill = Bill::for_board(board);
    for block in &account.arena {
        let kind = match block.kind {
            BlockKind::State => Kind::LearnerState,
            BlockKind::Weights => Kind::Weights,
            BlockKind::OptimiserState => Kind::OptimiserState,
            BlockKind::Gradients => Kind::Gradients,
            BlockKind::Activations => Kind::Activations,
            BlockKind::Deltas => Kind::Deltas,
            BlockKind::Scratch | BlockKind::Schedule => Kind::Scratch,
            BlockKind::Slack => Kind::Slack,
            BlockKind::Buffer => Kind::ReplayBuffer,
        };
        bill.charge(Region::Ram, kind, &block.what, block.bytes as u64);
    }
    for block in &account.flash {
        let kind = match block.kind {
            BlockKind::Schedule => Kind::Program,
            _ => Kind::Weights,
        };
        bill.charge(Region::Flash, kind, &block.what, block.bytes as u64);
    }
    bill
}

/// What would fit instead, nearest first: as many buffer slots as there is room for, or the boards that
/// could pay.
pub fn nearest(bill: &Bill, account: &Account, slots: u32, boards: &[Board]) -> Vec<String> {
    let mut nearest = Vec::new();
    let slot = account.slot_bytes as u64;
    let lacking = bill.excess(Region::Ram).div_ceil(slot);
    if bill.excess(Region::Flash) == 0 && lacking < u64::from(slots) {
        nearest.push(format!(
            "a buffer of {} slots instead of {slots}",
            u64::from(slots) - lacking
        ));
    }
    let mut able: Vec<&Board> = boards
        .iter()
        .filter(|b| self::bill(account, b).fits())
        .collect();
    able.sort_by_key(|b| b.ram_budget_bytes());
    if let Some(board) = able.first() {
        nearest.push(format!("the board {} ({})", board.name, board.title));
    }
    nearest
}
