/**
 * Continuous batching of the requests of many callers: the scheduler and its thread, the queue, and the thread that
 * completes results. A request is an interface here; tokens and results as applications see them belong in {@code api}.
 */
package dev.isthmus.engine.scheduler;
