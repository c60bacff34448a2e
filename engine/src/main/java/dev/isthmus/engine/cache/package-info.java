/**
 * Keys and values of past positions, in reference-counted blocks that texts with the same beginning share and that
 * are copied when one of them writes. How much memory all texts together may take is decided here. What computes keys
 * and values, and which text continues when, is not known here.
 */
package dev.isthmus.engine.cache;
