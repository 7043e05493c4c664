//! The program from outside: real commands on small data in a fresh folder.

mod cli {
    mod adapt;
    mod bad_input;
    mod catalogue;
    mod common;
    mod compare;
    mod convert;
    mod demo;
    mod embed;
    mod encoders;
    mod errors;
    mod evaluate;
    mod help;
    mod images;
    mod improve;
    mod inspect;
    mod launch;
    mod maps;
    mod methods;
    mod pictures;
    mod plan;
    mod processes;
    mod readme;
    mod requeue;
    mod rivals;
    mod score;
    mod shared;
    mod signals;
    mod stop;
    mod svm;
    mod sweep;
    mod train;
    mod watch;
}
