//! The program from outside: real commands on small data in a fresh folder.

mod cli {
    mod bad_input;
    mod common;
    mod convert;
    mod demo;
    mod inspect;
    mod methods;
    mod rivals;
    mod score;
    mod stop;
    mod sweep;
    mod train;
    mod watch;
}
