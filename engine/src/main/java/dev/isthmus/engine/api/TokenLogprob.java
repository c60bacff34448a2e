package dev.isthmus.engine.api;

/**
 * A token and how likely the model holds it.
 *
 * @param id its id
 * @param logprob the natural logarithm of its probability by the model alone, before any option changes it
 */
public record TokenLogprob(int id, double logprob) {}
