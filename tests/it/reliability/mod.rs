//! What must hold whatever fails: see the files of this folder.
