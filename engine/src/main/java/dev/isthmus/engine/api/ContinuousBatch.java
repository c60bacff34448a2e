package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.PassPool;
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
final class ContinuousBatch implements AutoCloseable {

    /** How long to wait after a step for which there was no memory, so that others may free some. */
    private static final long PAUSE = TimeUnit.MILLISECONDS.toNanos(10);

    /** After so many such steps in a row, requests that cannot even be computed alone fail. */
    private static final int MAX_ATTEMPTS = 5;

    private final Model model;
    private final BatchingOptions options;
    private final Meter meter;
    private final Consumer<SchedulerStep> probe;
    private final CacheDemand demand;
    private final PrefillBudget budget;
    private final float[] logits;
    private final Supplier<Void> step = () -> {
        compute();
        return null;
    };
    /** All, in the order in which they came. */
    private final List<RunningRequest> requests = new ArrayList<>();
    /** Those that take part in the step. */
    private final List<RunningRequest> active = new ArrayList<>();
    private long rowsRead;
    /** The steps in a row for which there was no memory, and how many requests are tried in the next. */
    private int attempts;
    private int maxActive;
    private volatile int running;
    private volatile long preemptions;

    /** The rows that a request has in a step. */
    private record Share(RunningRequest request, int rows) {

        /** Whether the last row's logits are wanted. */
        boolean choosesToken() {
            return rows == request.unread();
        }
    }

    /**
     * An empty one.
     *
     * @param demand how much memory requests take
     * @param meter counts the passes
     * @param probe told where the thread is
     */
    ContinuousBatch(Model model, BatchingOptions options, CacheDemand demand, Meter meter,
            Consumer<SchedulerStep> probe) {
        this.model = model;
        this.meter = meter;
        this.options = options;
        this.demand = demand;
        this.probe = probe;
        maxActive = options.maxBatch();
        budget = new PrefillBudget(options.prefillRows());
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
        return requests.isEmpty();
    }

    /** Whether there is something to compute. */
    boolean hasWork() {
        for (int i = 0; i < requests.size(); i++) {
            if (requests.get(i).isRunnable()) {
                return true;
            }
        }
        return false;
    }

    /** Whether there is a place for a request and the memory that it may need; nobody overtakes one that was preempted. */
    boolean hasRoomFor(GenerationTask task) {
        int places = options.maxBatch();
        for (int i = 0; i < requests.size(); i++) {
            if (requests.get(i).isRunnable()) {
                places--;
                if (requests.get(i).isPreempted()) {
                    return false;
                }
            }
        }
        return places == options.maxBatch()
                || places > 0 && bytesToCome() + demand.atMost(task) <= model.availableCacheBytes();
    }

    /** The bytes that those which hold memory may yet need. */
    private long bytesToCome() {
        long bytes = 0;
        for (int i = 0; i < requests.size(); i++) {
            RunningRequest request = requests.get(i);
            if (request.isRunnable() && !request.isPreempted()) {
                bytes += Math.max(0, demand.atMost(request.task()) - request.bytes());
            }
        }
        return bytes;
    }

    /** There is nothing to compute. */
    void rest() {
        running = 0;
    }

    /** Takes a request; what goes wrong ends it. */
    void admit(GenerationTask task) {
        try {
            probe.accept(SchedulerStep.ADMIT);
            requests.add(new RunningRequest(model, task, rowsRead));
        } catch (Throwable failed) {
            task.fail(PreparedFailures.of(failed));
        }
    }

    /** Frees what the requests that have ended hold. */
    void removeEnded() {
        probe.accept(SchedulerStep.REMOVE);
        for (int i = requests.size() - 1; i >= 0; i--) {
            if (requests.get(i).task().isEnded()) {
                requests.remove(i).close();
            }
        }
    }

    /** Ends all requests. */
    void failAll(Throwable thrown) {
        EngineException failure = PreparedFailures.of(thrown);
        for (int i = 0; i < requests.size(); i++) {
            requests.get(i).task().fail(failure);
        }
    }

    /** Computes once for all; what goes wrong ends the requests that it concerns. */
    void step() {
        active.clear();
        try {
            model.whileOpen(step);
            attempts = 0;
            maxActive += maxActive < options.maxBatch() ? 1 : 0;
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
        for (int i = 0; i < requests.size(); i++) {
            if (requests.get(i).isRunnable()) {
                requests.get(i).task().fail(PreparedFailures.of(thrown));
                return;
            }
        }
    }

    private void preempt(RunningRequest request) {
        request.preempt();
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
        for (RunningRequest request : requests) {
            if (active.size() < maxActive && request.isRunnable()) {
                if (request.isPreempted()) {
                    bytesToCome += demand.atMost(request.task());
                    room = room && (active.isEmpty() || bytesToCome <= model.availableCacheBytes());
                    if (!room) {
                        continue;
                    }
                    request.resume();
                }
                active.add(request);
            }
        }
        running = active.size();
    }

    /** One row for each request that generates; prompts get the rows that there are for them, one after the other. */
    private List<Share> plan() {
        active.forEach(RunningRequest::prepare);
        List<Share> shares = new ArrayList<>();
        for (RunningRequest request : active) {
            if (!request.isPrefilling()) {
                shares.add(new Share(request, 1));
            }
        }
        int left = budget.rows(shares.size());
        List<RunningRequest> prompts = active.stream().filter(RunningRequest::isPrefilling)
                .sorted(Comparator.comparingLong(request -> request.rank(rowsRead))).toList();
        for (RunningRequest request : prompts) {
            int rows = Math.min(left, request.unread());
            if (rows > 0) {
                shares.add(new Share(request, rows));
                left -= rows;
            }
        }
        return shares;
    }

    /** Takes memory for the keys and values; returns the shares for which there is some. */
    private List<Share> reserve(List<Share> planned) {
        for (Share share : planned) {
            while (!share.request.isPreempted() && !share.request.task().isEnded() && !reserve(share)) {
                // One request fewer holds memory.
            }
        }
        return planned.stream()
                .filter(share -> !share.request.isPreempted() && !share.request.task().isEnded()).toList();
    }

    /** False if there was no memory, and then a request has given up its own, or this one has failed. */
    private boolean reserve(Share share) {
        try {
            probe.accept(SchedulerStep.RESERVE);
            share.request.reserve(share.rows);
            return true;
        } catch (OutOfMemoryException | OutOfMemoryError full) {
            RunningRequest victim = victim(share.request);
            if (victim == null) {
                share.request.task().fail(PreparedFailures.of(full));
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
    private RunningRequest victim(RunningRequest needy) {
        RunningRequest youngest = null;
        int holders = 0;
        for (int i = requests.size() - 1; i >= 0; i--) {
            RunningRequest request = requests.get(i);
            if (request.isPreempted() || request != needy && request.bytes() == 0) {
                continue;
            }
            if (request != needy && !request.isRunnable()) {
                return request;
            }
            youngest = youngest == null ? request : youngest;
            holders++;
        }
        return holders > 1 ? youngest : null;
    }

    private void forward(PassPool.Pass pass, RowBatch batch, List<Share> shares) {
        probe.accept(SchedulerStep.ASSEMBLE);
        int[] outputs = new int[(int) shares.stream().filter(Share::choosesToken).count()];
        List<RunningRequest> choosing = new ArrayList<>();
        for (Share share : shares) {
            share.request.addTo(batch, share.rows);
            if (share.choosesToken()) {
                outputs[choosing.size()] = batch.rows() - 1;
                choosing.add(share.request);
            }
        }
        int decoding = (int) shares.stream().filter(share -> !share.request.isPrefilling()).count();
        int prefillRows = batch.rows() - decoding;
        long begun = System.nanoTime();
        Tensor rows = meter.pass(batch, () -> pass.forward(outputs, probe(shares)));
        budget.measured(decoding, prefillRows, System.nanoTime() - begun);
        rowsRead += prefillRows;
        for (Share share : shares) {
            probe.accept(SchedulerStep.PUBLISH);
            share.request.publish(share.rows);
        }
        for (int i = 0; i < outputs.length; i++) {
            probe.accept(SchedulerStep.CHOOSE);
            model.computeBackend().tensors().read(rows, (long) i * logits.length, logits);
            choosing.get(i).choose(logits);
        }
    }

    /** Ends the pass when nobody waits for it any more. */
    private LayerProbe probe(List<Share> shares) {
        return LayerProbe.ending(() -> {
            probe.accept(SchedulerStep.LAYER);
            return shares.stream().allMatch(share -> share.request.task().isEnded());
        });
    }

    @Override
    public void close() {
        requests.forEach(RunningRequest::close);
        requests.clear();
    }
}
