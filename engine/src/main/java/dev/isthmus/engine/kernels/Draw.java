package dev.isthmus.engine.kernels;

/**
 * How kernels that choose tokens themselves choose one, as {@code Sampler} does with a {@code Truncation} of these.
 *
 * @param temperature 0 for the likeliest token; the rest does not matter then
 * @param topK how many of the largest logits stay; 0 for all
 * @param topP how much of the probability stays; 1 for all
 * @param minP the least probability that stays, as a part of the largest; 0 for all
 * @param random the state of SplitMix64, from which one number is drawn unless the temperature is 0
 * @param powers 2^(j / 2048) for j from 0 to 2047, by which exponentials have the same bits everywhere; not changed
 */
public record Draw(double temperature, int topK, double topP, double minP, long random, double[] powers) {}
