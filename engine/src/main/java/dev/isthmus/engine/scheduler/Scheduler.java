package dev.isthmus.engine.scheduler;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.PassPool;
import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.session.MetricsRecorder;
import dev.isthmus.engine.tensor.Tensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * The requests that are computed together (Yu et al. 2022, "Orca: A Distributed Serving System for Transformer-Based
 * Generative Models"): requests come and go between steps. Each step reads the last token of all that generate, and with
 * them parts of the prompts that have yet to be read (Agrawal et al. 2023, "SARATHI"), those with the fewest rows left
 * first.
 *
 * <p>A request is admitted when the memory for its longest text is there. Where others, such as sessions, take it in the
 * meantime, the youngest request is preempted: it gives up its keys and values and reads its text again later (Kwon et
 * al. 2023, "Efficient Memory Management for Large Language Model Serving with PagedAttention").
 *
 * <p>Used by one thread, but for {@link #running} and {@link #preemptions}. What ends requests and removes them needs no
 * memory.
 */
final class Scheduler implements AutoCloseable {

    /** How long to wait after a step for which there was no memory, so that others may free some. */
    private static final long PAUSE = TimeUnit.MILLISECONDS.toNanos(10);

    /** After this many such steps in a row, requests that cannot even be computed alone fail. */
    private static final int MAX_ATTEMPTS = 5;

    private final LoadedModel model;
    private final BatchLimits limits;
    private final MetricsRecorder recorder;
    private final Consumer<SchedulerStep> probe;
    private final CacheDemand demand;
    private final PrefillBudget budget;
    private final float[] logits;
    private final Supplier<Void> step = () -> {
        compute();
        return null;
    };
    /** All, in the order in which they came. */
    private final List<ScheduledSequence> sequences = new ArrayList<>();
    /** Those that take part in the step. */
    private final List<ScheduledSequence> active = new ArrayList<>();
    private long rowsRead;
    /** The steps in a row for which there was no memory, and how many requests are tried in the next. */
    private int attempts;
    private int maxActive;
    private volatile int running;
    private volatile long preemptions;

    /** The rows that a request has in a step. */
    private record Share(ScheduledSequence sequence, int rows) {

        /** Whether the last row's logits are wanted. */
        boolean choosesToken() {
            return rows == sequence.unread();
        }
    }

    /**
     * An empty one.
     *
     * @param demand how much memory requests take
     * @param recorder counts the passes
     * @param probe told where the thread is
     */
    Scheduler(LoadedModel model, BatchLimits limits, CacheDemand demand, MetricsRecorder recorder,
            Consumer<SchedulerStep> probe) {
        this.model = model;
        this.limits = limits;
        this.recorder = recorder;
        this.demand = demand;
        this.probe = probe;
        maxActive = limits.maxBatch();
        budget = new PrefillBudget(limits.prefillRows());
        logits = new float[model.config().vocabulary()];
    }

    /** The requests that were computed together last; any thread may ask. */
    int running() {
        return running;
    }

    /** How often a request gave up its memory; any thread may ask. */
    long preemptions() {
        return preemptions;
    }

    boolean isEmpty() {
        return sequences.isEmpty();
    }

    /** Whether there is something to compute. */
    boolean hasWork() {
        for (int i = 0; i < sequences.size(); i++) {
            if (sequences.get(i).isRunnable()) {
                return true;
            }
        }
        return false;
    }

    /** Whether there is a place for a request and the memory that it may need; nobody overtakes one that was preempted. */
    boolean hasRoomFor(ScheduledRequest request) {
        int places = limits.maxBatch();
        for (int i = 0; i < sequences.size(); i++) {
            if (sequences.get(i).isRunnable()) {
                places--;
                if (sequences.get(i).isPreempted()) {
                    return false;
                }
            }
        }
        return places == limits.maxBatch()
                || places > 0 && bytesToCome() + demand.atMost(request) <= model.availableCacheBytes();
    }

    /** The bytes that those which hold memory may yet need. */
    private long bytesToCome() {
        long bytes = 0;
        for (int i = 0; i < sequences.size(); i++) {
            ScheduledSequence sequence = sequences.get(i);
            if (sequence.isRunnable() && !sequence.isPreempted()) {
                bytes += Math.max(0, demand.atMost(sequence.request()) - sequence.bytes());
            }
        }
        return bytes;
    }

    /** Whether a request has ended whose memory is still held. */
    boolean hasEnded() {
        for (int i = 0; i < sequences.size(); i++) {
            if (sequences.get(i).request().isEnded()) {
                return true;
            }
        }
        return false;
    }

    /** There is nothing to compute. */
    void rest() {
        running = 0;
    }

    /** Takes a request; what goes wrong ends it. */
    void admit(ScheduledRequest request) {
        try {
            probe.accept(SchedulerStep.ADMIT);
            sequences.add(new ScheduledSequence(model, request, rowsRead));
        } catch (Throwable failed) {
            request.fail(PreparedFailures.of(failed));
        }
    }

    /** Frees what the requests that have ended hold. */
    void removeEnded() {
        probe.accept(SchedulerStep.REMOVE);
        for (int i = sequences.size() - 1; i >= 0; i--) {
            if (sequences.get(i).request().isEnded()) {
                sequences.remove(i).close();
            }
        }
    }

    /** Ends all requests. */
    void failAll(Throwable thrown) {
        EngineException failure = PreparedFailures.of(thrown);
        for (int i = 0; i < sequences.size(); i++) {
            sequences.get(i).request().fail(failure);
        }
    }

    /** Computes once for all; what goes wrong ends the requests that it concerns. */
    void step() {
        active.clear();
        try {
            model.whileOpen(step);
            attempts = 0;
            maxActive += maxActive < limits.maxBatch() ? 1 : 0;
        } catch (CancelledException byAllCallers) {
            // Nothing of the pass counts, and the requests are removed.
        } catch (OutOfMemoryException | OutOfMemoryError noMemory) {
            shrink(noMemory);
        } catch (Throwable failed) {
            failAll(failed);
        }
    }

    /** Has fewer requests take part in the next step; where one alone has been tried often enough, it fails. */
    private void shrink(Throwable noMemory) {
        attempts++;
        maxActive = Math.max(1, active.size() / 2);
        if (active.size() > 1) {
            preempt(active.getLast());
        } else if (attempts > MAX_ATTEMPTS) {
            failFirst(noMemory);
        }
        LockSupport.parkNanos(this, PAUSE);
    }

    private void failFirst(Throwable thrown) {
        for (int i = 0; i < sequences.size(); i++) {
            if (sequences.get(i).isRunnable()) {
                sequences.get(i).request().fail(PreparedFailures.of(thrown));
                return;
            }
        }
    }

    private void preempt(ScheduledSequence sequence) {
        sequence.preempt();
        preemptions++;
    }

    private void compute() {
        probe.accept(SchedulerStep.PLAN);
        activate();
        if (active.isEmpty()) {
            return;
        }
        try (PassPool.Pass pass = model.passes().borrow()) {
            List<Share> planned = plan();
            RowBatch batch = pass.batch(planned.stream().mapToInt(Share::rows).sum());
            List<Share> shares = reserve(planned);
            if (!shares.isEmpty()) {
                forward(pass, batch, shares);
            }
        }
    }

    /** Chooses who takes part: whoever came first, and of those that were preempted whom there is memory for again. */
    private void activate() {
        long bytesToCome = bytesToCome();
        boolean room = true;
        for (ScheduledSequence sequence : sequences) {
            if (active.size() < maxActive && sequence.isRunnable()) {
                if (sequence.isPreempted()) {
                    bytesToCome += demand.atMost(sequence.request());
                    room = room && (active.isEmpty() || bytesToCome <= model.availableCacheBytes());
                    if (!room) {
                        continue;
                    }
                    sequence.resume();
                }
                active.add(sequence);
            }
        }
        running = active.size();
    }

    /** One row for each request that generates; prompts get the rows that there are for them, one after the other. */
    private List<Share> plan() {
        active.forEach(ScheduledSequence::prepare);
        List<Share> shares = new ArrayList<>();
        for (ScheduledSequence sequence : active) {
            if (!sequence.isPrefilling()) {
                shares.add(new Share(sequence, 1));
            }
        }
        int left = budget.rows(shares.size());
        List<ScheduledSequence> prompts = active.stream().filter(ScheduledSequence::isPrefilling)
                .sorted(Comparator.comparingLong(sequence -> sequence.rank(rowsRead))).toList();
        for (ScheduledSequence sequence : prompts) {
            int rows = Math.min(left, sequence.unread());
            if (rows > 0) {
                shares.add(new Share(sequence, rows));
                left -= rows;
            }
        }
        return shares;
    }

    /** Takes memory for the keys and values; returns the shares for which there is some. */
    private List<Share> reserve(List<Share> planned) {
        for (Share share : planned) {
            while (!share.sequence.isPreempted() && !share.sequence.request().isEnded() && !reserve(share)) {
                // One request fewer holds memory.
            }
        }
        return planned.stream()
                .filter(share -> !share.sequence.isPreempted() && !share.sequence.request().isEnded()).toList();
    }

    /** False if there was no memory, and then a request has given up its own, or this one has failed. */
    private boolean reserve(Share share) {
        try {
            probe.accept(SchedulerStep.RESERVE);
            share.sequence.reserve(share.rows);
            return true;
        } catch (OutOfMemoryException | OutOfMemoryError full) {
            ScheduledSequence victim = victim(share.sequence);
            if (victim == null) {
                share.sequence.request().fail(PreparedFailures.of(full));
            } else {
                preempt(victim);
            }
            return false;
        }
    }

    /**
     * Who gives up its memory: the youngest that waits for its caller, else the youngest of all; null if {@code needy} is
     * the only one that holds any.
     */
    private ScheduledSequence victim(ScheduledSequence needy) {
        ScheduledSequence youngest = null;
        int holders = 0;
        for (int i = sequences.size() - 1; i >= 0; i--) {
            ScheduledSequence sequence = sequences.get(i);
            if (sequence.isPreempted() || sequence != needy && sequence.bytes() == 0) {
                continue;
            }
            if (sequence != needy && !sequence.isRunnable()) {
                return sequence;
            }
            youngest = youngest == null ? sequence : youngest;
            holders++;
        }
        return holders > 1 ? youngest : null;
    }

    private void forward(PassPool.Pass pass, RowBatch batch, List<Share> shares) {
        probe.accept(SchedulerStep.ASSEMBLE);
        int[] outputs = new int[(int) shares.stream().filter(Share::choosesToken).count()];
        List<ScheduledSequence> choosing = new ArrayList<>();
        for (Share share : shares) {
            share.sequence.addTo(batch, share.rows);
            if (share.choosesToken()) {
                outputs[choosing.size()] = batch.rows() - 1;
                choosing.add(share.sequence);
            }
        }
        int decoding = (int) shares.stream().filter(share -> !share.sequence.isPrefilling()).count();
        int prefillRows = batch.rows() - decoding;
        long begun = System.nanoTime();
        Tensor rows = recorder.pass(batch, () -> pass.forward(outputs, probe(shares)));
        budget.measured(decoding, prefillRows, System.nanoTime() - begun);
        rowsRead += prefillRows;
        for (Share share : shares) {
            probe.accept(SchedulerStep.PUBLISH);
            share.sequence.publish(share.rows);
        }
        for (int i = 0; i < outputs.length; i++) {
            probe.accept(SchedulerStep.CHOOSE);
            model.backend().tensors().read(rows, (long) i * logits.length, logits);
            choosing.get(i).choose(logits);
        }
    }

    /** Ends the pass when nobody waits for it any more. */
    private LayerProbe probe(List<Share> shares) {
        return LayerProbe.ending(() -> {
            probe.accept(SchedulerStep.LAYER);
            return shares.stream().allMatch(share -> share.sequence.request().isEnded());
        });
    }

    @Override
    public void close() {
        sequences.forEach(ScheduledSequence::close);
        sequences.clear();
    }
}
