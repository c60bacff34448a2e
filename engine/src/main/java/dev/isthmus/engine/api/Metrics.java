package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.session.MetricsRecorder;
import java.time.Duration;

/**
 * What a model or a session has done so far, and what it holds now. The times are those of forward passes only:
 * of a session how long its own took, of a model how long any ran, each moment shared equally among the passes that ran
 * at it. So a model's tokens per second are its throughput under any load. A pass that reads one token after others is a decode step, any
 * other prefill; one that does both for several texts is shared out by their tokens.
 *
 * @param prefillTokens the tokens read in passes of several
 * @param prefillTime how long these passes took
 * @param decodeTokens the tokens read one at a time
 * @param decodeTime how long these passes took
 * @param sessions the sessions that are open; 1 or 0 for a session's own
 * @param cacheBytes the memory for keys and values; of a model what several texts have in common counts once, of a
 *     session it counts in full
 * @param queueLength the requests that wait for their turn
 * @param prefixTokens the tokens that were not computed, since their keys and values were taken over from another text
 *     that begins alike: of all tokens of prompts, prefixTokens / (prefixTokens + prefillTokens) hit
 * @param finishedBytes the memory for keys and values of texts that are finished, kept for others that begin alike
 *     until something else needs it; of a session 0
 * @param scratchBytes the memory that passes compute in, in use or kept for the next pass; of a session 0
 */
public record Metrics(long prefillTokens, Duration prefillTime, long decodeTokens, Duration decodeTime, int sessions,
        long cacheBytes, int queueLength, long prefixTokens, long finishedBytes, long scratchBytes) {

    /**
     * Metrics without shared prefixes and scratch.
     *
     * @param prefillTokens the tokens read in passes of several
     * @param prefillTime how long these passes took
     * @param decodeTokens the tokens read one at a time
     * @param decodeTime how long these passes took
     * @param sessions the sessions that are open
     * @param cacheBytes the memory for keys and values
     * @param queueLength the requests that wait for their turn
     */
    public Metrics(long prefillTokens, Duration prefillTime, long decodeTokens, Duration decodeTime, int sessions,
            long cacheBytes, int queueLength) {
        this(prefillTokens, prefillTime, decodeTokens, decodeTime, sessions, cacheBytes, queueLength, 0, 0, 0);
    }

    /**
     * The memory of a moment.
     *
     * @param cacheBytes for keys and values of open texts
     * @param finishedBytes for keys and values of finished texts
     * @param scratchBytes what passes compute in
     */
    record Memory(long cacheBytes, long finishedBytes, long scratchBytes) {}

    /** What was counted, with the memory of the moment and the tokens that were not computed since others had. */
    static Metrics of(MetricsRecorder.Totals totals, Memory memory, long prefixTokens) {
        return new Metrics(totals.prefillTokens(), totals.prefillTime(), totals.decodeTokens(), totals.decodeTime(),
                totals.sessions(), memory.cacheBytes, totals.queueLength(), prefixTokens, memory.finishedBytes,
                memory.scratchBytes);
    }

    /** Refuses a time that is null. */
    public Metrics {
        Arguments.nonNull(prefillTime, "metrics", "prefillTime");
        Arguments.nonNull(decodeTime, "metrics", "decodeTime");
    }

    /** {@return the tokens read per second of prefill; 0 before the first} */
    public double prefillTokensPerSecond() {
        return perSecond(prefillTokens, prefillTime);
    }

    /** {@return the tokens read per second of decode steps; 0 before the first} */
    public double decodeTokensPerSecond() {
        return perSecond(decodeTokens, decodeTime);
    }

    private static double perSecond(long tokens, Duration time) {
        return tokens == 0 ? 0 : tokens / (time.toNanos() / 1e9);
    }
}
