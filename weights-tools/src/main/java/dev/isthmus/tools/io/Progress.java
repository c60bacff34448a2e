package dev.isthmus.tools.io;

import java.io.PrintWriter;
import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.time.Duration;
import java.util.Locale;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Shows on standard error how far a task has come: a bar on a terminal, else a line now and then. A task that is done
 * within a second shows nothing. Any thread may tell it.
 */
public final class Progress implements AutoCloseable {

    private static final long SILENCE_NANOS = 1_000_000_000L;
    private static final long LINE_NANOS = 5_000_000_000L;
    private static final int BAR_COLUMNS = 78;

    private final Console console;
    private final String task;
    private final String unit;
    private final long unitSize;
    private final boolean rate;
    private final long begun = System.nanoTime();
    private long nextLine = begun + SILENCE_NANOS;

    /** When and where the first update was: what had been done by then says nothing of the rate. */
    private long firstUpdate;
    private long firstDone = -1;
    private ProgressBar bar;

    /**
     * Begins a task.
     *
     * @param task what is being done
     * @param unit what is counted
     * @param unitSize how many counts make one unit
     */
    public Progress(Console console, String task, String unit, long unitSize) {
        this(console, task, unit, unitSize, false);
    }

    private Progress(Console console, String task, String unit, long unitSize, boolean rate) {
        this.console = console;
        this.task = task;
        this.unit = unit;
        this.unitSize = unitSize;
        this.rate = rate;
    }

    /** Begins a task that is counted in bytes; the rate and the time left are shown too. */
    public static Progress ofBytes(Console console, String task) {
        return new Progress(console, task, "MB", 1_000_000, true);
    }

    /** Tells how much of how much is done. */
    public synchronized void update(long done, long total) {
        if (bar != null) {
            bar.stepTo(done);
            return;
        }
        long now = System.nanoTime();
        if (firstDone < 0) {
            firstUpdate = now;
            firstDone = done;
        }
        if (now < nextLine) {
            return;
        }
        nextLine = now + LINE_NANOS;
        if (console.terminal()) {
            bar = newBar(done, total);
        } else {
            console.say(String.format(Locale.ROOT, "%s: %,d of %,d %s", task, done / unitSize, total / unitSize,
                    unit) + (rate ? rate(done, total, (now - firstUpdate) / 1e9) : ""));
        }
    }

    private String rate(long done, long total, double seconds) {
        double perSecond = (done - firstDone) / seconds;
        return done == firstDone ? "" : String.format(Locale.ROOT, ", %.1f %s/s, %d s left", perSecond / unitSize, unit,
                Math.round((total - done) / perSecond));
    }

    /** Prints a line of the command's own, in the bar's place if there is one. */
    public synchronized void say(String message) {
        if (bar != null) {
            clear();
        }
        console.say(message);
    }

    private void clear() {
        draw(console.err(), " ".repeat(BAR_COLUMNS) + "\r");
    }

    /** With a consumer of its own, since the library's would load jline's native code to ask for the terminal's width. */
    private ProgressBar newBar(long done, long total) {
        PrintWriter err = console.err();
        ProgressBarBuilder builder = new ProgressBarBuilder()
                .setTaskName(task)
                .setInitialMax(total)
                .setUnit(" " + unit, unitSize)
                .setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(200)
                .startsFrom(done, Duration.ofNanos(System.nanoTime() - begun))
                .setConsumer(new DelegatingProgressBarConsumer(line -> draw(err, line), BAR_COLUMNS));
        if (rate) {
            builder.showSpeed(new DecimalFormat("0.0", DecimalFormatSymbols.getInstance(Locale.ROOT)));
        }
        return builder.build();
    }

    private static void draw(PrintWriter err, String line) {
        err.print("\r" + line);
        err.flush();
    }

    @Override
    public synchronized void close() {
        if (bar != null) {
            bar.close();
            bar = null;
            clear();
        }
    }
}
