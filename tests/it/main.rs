//! The service as its callers see it: started whole, over the network, on SQLite and on PostgreSQL, with simulated mail servers.
//!
//! `make test` runs all of it; without its PostgreSQL the half that needs one fails and says so.

#![expect(clippy::too_many_lines, reason = "tests of rules are tables of cases")]

mod clients;
mod harness;
mod ntlm;
mod peers;
mod reliability;

mod agents;
mod archive;
mod auth;
mod check;
mod cli;
mod completeness;
mod contacts;
mod corpus;
mod demo_set;
mod directory;
mod discovery;
mod edge;
mod english;
mod errors;
mod folders;
mod graph;
mod health;
mod import;
mod keys;
mod languages;
mod linking;
mod login;
mod old_databases;
mod reads;
mod secrets;
mod settings;
mod sharing;
mod smtp;
mod sweep;
mod tidy;
mod watch;
