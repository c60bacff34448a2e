package dev.isthmus.engine.scheduler;

/**
 * How much the scheduler takes at a time.
 *
 * @param maxBatch the most sequences that are computed together
 * @param queueCapacity the most requests that wait for a place
 * @param prefillRows the most rows of prompts in a pass
 */
public record BatchLimits(int maxBatch, int queueCapacity, int prefillRows) {}
