package dev.isthmus.engine.session;

import dev.isthmus.engine.kernels.RowBatch;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import jdk.jfr.Event;
import jdk.jfr.FlightRecorder;

/**
 * Counts and times the passes of a model or a session, and tells the flight recorder of each. Used by any number of
 * threads.
 *
 * <p>An event's class is loaded only once there has been a recording: the first one that a process loads starts the
 * flight recorder, which takes 0.2 s.
 */
public final class MetricsRecorder {

    /** The model's; null in the model's own. */
    private final MetricsRecorder whole;
    /** Whether the flight recorder is told. */
    private final boolean recorded;
    private final SharedClock clock = new SharedClock();
    private final LongAdder prefillTokens = new LongAdder();
    private final LongAdder prefillNanos = new LongAdder();
    private final LongAdder decodeTokens = new LongAdder();
    private final LongAdder decodeNanos = new LongAdder();
    private final AtomicInteger sessions = new AtomicInteger();
    private final AtomicInteger queueLength = new AtomicInteger();

    /** A recorder for a whole model. */
    MetricsRecorder() {
        this(null, true);
    }

    private MetricsRecorder(MetricsRecorder whole, boolean recorded) {
        this.whole = whole;
        this.recorded = recorded;
    }

    /** A recorder for passes that are nobody's work. */
    public static MetricsRecorder unrecorded() {
        return new MetricsRecorder(null, false);
    }

    /** Loads the classes of the events if there is a recording. */
    public static void loadEvents() {
        if (FlightRecorder.isInitialized()) {
            PrefillEvent.begin(0, 0, 0, 0);
            DecodeStepEvent.begin(0, 0);
        }
    }

    /** A recorder for a sequence that opens; what it counts, this one counts too. */
    MetricsRecorder newSequence() {
        MetricsRecorder part = new MetricsRecorder(this, true);
        part.sessions(1);
        return part;
    }

    /** The sequence has closed. */
    void close() {
        sessions(-1);
    }

    private void sessions(int change) {
        sessions.addAndGet(change);
        if (whole != null) {
            whole.sessions(change);
        }
    }

    /** Counts requests that begin to wait, or with a negative number end it. */
    public void queued(int change) {
        queueLength.addAndGet(change);
    }

    /**
     * Runs a pass.
     *
     * @param batch its rows, one or more
     */
    public <R> R pass(RowBatch batch, Supplier<R> pass) {
        int decoded = decoded(batch);
        int read = batch.rows() - decoded;
        Event event = FlightRecorder.isInitialized() ? begin(batch, read, decoded) : null;
        SharedClock clock = whole == null ? this.clock : whole.clock;
        long begun = System.nanoTime();
        long charged = -clock.running(1);
        R result;
        try {
            result = pass.get();
        } finally {
            charged += clock.running(-1);
        }
        if (whole == null) {
            count(read, decoded, charged);
        } else {
            count(read, decoded, System.nanoTime() - begun);
            whole.count(read, decoded, charged);
        }
        if (event != null && recorded) {
            event.commit();
        }
        return result;
    }

    private static Event begin(RowBatch batch, int read, int decoded) {
        return read > 0 ? PrefillEvent.begin(batch.sequenceCount(), read, decoded, positions(batch))
                : DecodeStepEvent.begin(batch.sequenceCount(), positions(batch));
    }

    private void count(int read, int decoded, long nanos) {
        long prefillShare = nanos * read / (read + decoded);
        prefillTokens.add(read);
        prefillNanos.add(prefillShare);
        decodeTokens.add(decoded);
        decodeNanos.add(nanos - prefillShare);
    }

    /**
     * Shares time out among a model's passes: while k of them run, each is charged with 1 / k of it, so that all together
     * are charged with the time during which any ran.
     */
    private static final class SharedClock {

        private int running;
        private long last;
        /** What a pass that always runs would have been charged with. */
        private long charged;

        /** Counts passes that begin to run, or with a negative number end; returns {@link #charged}. */
        synchronized long running(int change) {
            long now = System.nanoTime();
            charged += running == 0 ? 0 : (now - last) / running;
            last = now;
            running += change;
            return charged;
        }
    }

    /** The rows that stand alone after others of their sequence. */
    private static int decoded(RowBatch batch) {
        int decoded = 0;
        for (int s = 0; s < batch.sequenceCount(); s++) {
            int first = batch.firstRow(s);
            decoded += batch.endRow(s) - first == 1 && batch.position(first) > 0 ? 1 : 0;
        }
        return decoded;
    }

    /** How many positions the sequences have after the pass, all together. */
    private static long positions(RowBatch batch) {
        long positions = 0;
        for (int s = 0; s < batch.sequenceCount(); s++) {
            positions += batch.position(batch.endRow(s) - 1) + 1;
        }
        return positions;
    }

    /**
     * What was counted up to a moment.
     *
     * @param prefillTokens the tokens read in passes of several
     * @param prefillTime how long these passes took
     * @param decodeTokens the tokens read one at a time
     * @param decodeTime how long these passes took
     * @param sessions the sequences of sessions that are open
     * @param queueLength the requests that wait for their turn
     */
    public record Totals(long prefillTokens, Duration prefillTime, long decodeTokens, Duration decodeTime, int sessions,
            int queueLength) {}

    /** The totals of this moment. */
    public Totals totals() {
        return new Totals(prefillTokens.sum(), Duration.ofNanos(prefillNanos.sum()), decodeTokens.sum(),
                Duration.ofNanos(decodeNanos.sum()), sessions.get(), queueLength.get());
    }
}
