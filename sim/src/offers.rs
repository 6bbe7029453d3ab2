//! What each board says to each strategy: whether its bytes fit, before anything is loaded or trained.

use crate::bill::{bill, nearest};
use crate::config::{Config, Strategy, any_normalisation, options};
use crate::failure::Failure;
use sim_compiler::{Account, account};
use sim_mcu::{Bill, Board};

/// What a board says to a strategy.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The board.
    pub board: Board,
    /// The bill.
    pub bill: Bill,
    /// Why it is refused, if it is.
    pub refusal: Option<String>,
    /// What was billed.
    pub account: Account,
}

/// What all boards say to one strategy, in the order of the config.
#[derive(Clone, Debug)]
pub struct Offers(pub Vec<Offer>);

impl Offers {
    /// What the boards of `config` say to each of its strategies.
    ///
    /// # Errors
    /// [`Failure`] of the compiler or of a built-in board.
    pub fn all(config: &Config) -> Result<Vec<Self>, Failure> {
        let known = sim_mcu::boards()?;
        let strategies = config.strategies.iter();
        strategies.map(|s| Self::of(config, s, &known)).collect()
    }

    fn of(config: &Config, strategy: &Strategy, known: &[Board]) -> Result<Self, Failure> {
        let graph = strategy.graph(0)?;
        let account = account(
            &graph,
            &options(strategy, &any_normalisation(strategy), 1, 0),
        )?;
        let offers = config.boards.iter().map(|board| {
            let bill = bill(&account, board);
            let near = nearest(&bill, &account, strategy.online.slots, known);
            let refusal = bill
                .refusal(&near)
                .map(|text| format!("Strategy `{}` on {}: {text}", strategy.name, board.name));
            Offer {
                board: board.clone(),
                bill,
                refusal,
                account: account.clone(),
            }
        });
        Ok(Self(offers.collect()))
    }

    /// Whether the strategy is run: some board can hold it.
    pub fn fits_somewhere(&self) -> bool {
        self.0.iter().any(|offer| offer.refusal.is_none())
    }

    /// Every refusal, in the order of the boards.
    pub fn refusals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|offer| offer.refusal.as_deref())
    }
}
