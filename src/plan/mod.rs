//! Which cells a run measures, and in which order. Pure: the seed decides every choice.
