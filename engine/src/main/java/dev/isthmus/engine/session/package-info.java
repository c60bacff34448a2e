/**
 * A loaded model and what computes with it, below the facades of {@code api}: sequences, their snapshots, metrics and
 * flight-recorder events. It takes and gives plain types of its own; options, tokens and results as applications see
 * them belong in {@code api}.
 */
package dev.isthmus.engine.session;
