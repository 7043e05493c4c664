//! The program from outside: real commands on small data in a fresh folder.

mod cli {
    mod adapt;
    mod bad_input;
    mod common;
    mod compare;
    mod convert;
    mod demo;
    mod embed;
    mod evaluate;
    mod images;
    mod inspect;
    mod launch;
    mod methods;
    mod processes;
    mod rivals;
    mod score;
    mod stop;
    mod svm;
    mod sweep;
    mod train;
    mod watch;
}
