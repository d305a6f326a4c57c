//! What must hold whatever fails: exactly one note per message and case, one archived copy per message, nothing lost, nothing stuck,
//! streams that skip nothing.
//!
//! | file | what fails |
//! |---|---|
//! | `kill` | the process, by SIGKILL at any moment |
//! | `bulk` | nothing; a bulk set of real mail comes out as its manifest says |
//! | `log` | writers: they collide, roll back and are dropped half-way; readers break off |
//! | `mailboxes` | nothing; a message is in several mailboxes |
//! | `replicas` | one of two replicas, and the order in which they commit |
//! | `faults` | the mail server |
//! | `folders` | single folders of a mailbox |
//! | `store` | the database |
//! | `waits` | somebody who stalls in the database |
//!
//! All chance comes from seeds that are printed, so that a failure can be seen again.

mod bulk;
mod faults;
mod folders;
mod kill;
mod leases;
mod log;
mod mailboxes;
mod replicas;
mod sample;
mod store;
mod waits;
