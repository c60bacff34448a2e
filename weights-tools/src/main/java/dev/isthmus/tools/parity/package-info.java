/**
 * Checks of a model against published numbers, each with its source: logits, hidden states, log-probabilities,
 * losses, continuations, tokens and hashes. The numbers lie in resources; a check compares and reports, and computes
 * nothing but the comparison.
 */
package dev.isthmus.tools.parity;
