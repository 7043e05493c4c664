//! The program from outside: real commands on small data in a fresh folder.

mod cli {
    mod bad_input;
    mod common;
    mod convert;
    mod demo;
    mod methods;
    mod score;
    mod stop;
    mod train;
}
