//! The program from outside: real commands on small data in a fresh folder.

mod cli {
    mod bad_input;
    mod common;
    mod compare;
    mod demo;
    mod embed;
    mod evaluate;
    mod score;
    mod stop;
    mod svm;
    mod train;
}
