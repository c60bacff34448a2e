package dev.isthmus.tools.hub;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Ends a read that has waited too long for the next bytes, which the HTTP client itself lets wait for ever. */
final class StallGuard extends FilterInputStream {

    private static final long IDLE = Long.MIN_VALUE;

    private static final ScheduledExecutorService CLOCK = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("isthmus-stall-guard").factory());

    private final Duration patience;
    private final Future<?> watch;
    /** When the read in progress began; {@link #IDLE} between reads: what is done with the bytes takes time too. */
    private volatile long waitingSince = IDLE;
    private volatile boolean stalled;

    StallGuard(InputStream in, Duration patience) {
        super(in);
        this.patience = patience;
        long step = Math.max(1, patience.toMillis() / 4);
        this.watch = CLOCK.scheduleWithFixedDelay(this::check, step, step, TimeUnit.MILLISECONDS);
    }

    private void check() {
        long since = waitingSince;
        if (since != IDLE && System.nanoTime() - since > patience.toNanos()) {
            stalled = true;
            try {
                in.close();
            } catch (IOException e) {
                // The reader is told by its own exception.
            }
        }
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
        waitingSince = System.nanoTime();
        try {
            return in.read(bytes, offset, length);
        } catch (IOException e) {
            throw stalled ? new IOException("no more bytes came for " + patience.toSeconds() + " s", e) : e;
        } finally {
            waitingSince = IDLE;
        }
    }

    @Override
    public void close() throws IOException {
        watch.cancel(false);
        super.close();
    }
}
