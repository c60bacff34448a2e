package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.PassPool;
import dev.isthmus.engine.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The requests that are computed together (Yu et al. 2022, "Orca: A Distributed Serving System for Transformer-Based
 * Generative Models"): requests come and go between steps. Each step reads the last token of all that generate, and
 * beside them parts of the prompts that have yet to be read (Agrawal et al. 2023, "SARATHI"). Used by one thread.
 */
final class ContinuousBatch implements AutoCloseable {

    private final Model model;
    private final BatchingOptions options;
    private final Runnable atEachLayer;
    private final List<RunningRequest> requests = new ArrayList<>();
    private final float[] logits;

    /** The rows that a request has in a step, and whether logits come of the last. */
    private record Share(RunningRequest request, int rows, boolean logits) {}

    ContinuousBatch(Model model, BatchingOptions options, Runnable atEachLayer) {
        this.model = model;
        this.options = options;
        this.atEachLayer = atEachLayer;
        logits = new float[model.config().vocabulary()];
    }

    int size() {
        return requests.size();
    }

    boolean isFull() {
        return requests.size() == options.maxBatch();
    }

    void admit(GenerationTask task) {
        requests.add(new RunningRequest(model, task));
    }

    /** Computes once for all; what goes wrong ends the requests that it concerns. */
    void step() {
        // A processor may have interrupted its thread, which computes for all callers.
        Thread.interrupted();
        try {
            model.whileOpen(() -> {
                compute();
                return null;
            });
        } catch (CancelledException byAllCallers) {
            // Nothing of the pass counts, and the requests go below.
        } catch (EngineException failed) {
            requests.forEach(request -> request.task().fail(failed));
        } catch (Throwable failed) {
            BackendException defect = new BackendException("computing a batch of requests: " + failed
                    + "; this is a defect of the engine, please report it", failed);
            requests.forEach(request -> request.task().fail(defect));
        }
        requests.removeIf(request -> {
            if (request.task().isEnded()) {
                request.close();
                return true;
            }
            return false;
        });
    }

    private void compute() {
        try (PassPool.Pass pass = model.passes().borrow()) {
            List<Share> asked = shares();
            RowBatch batch = pass.batch(asked.stream().mapToInt(Share::rows).sum());
            List<Share> shares = asked.stream().filter(share -> share.request.addTo(batch, share.rows)).toList();
            if (shares.isEmpty()) {
                return;
            }
            int[] lastRows = batch.lastRows();
            int[] outputs = new int[lastRows.length];
            int count = 0;
            for (int i = 0; i < lastRows.length; i++) {
                if (shares.get(i).logits) {
                    outputs[count++] = lastRows[i];
                }
            }
            int logitRows = count;
            Tensor rows = model.meter().pass(batch,
                    () -> pass.forward(Arrays.copyOf(outputs, logitRows), probe(shares)));
            int row = 0;
            for (Share share : shares) {
                share.request.publish(share.rows);
                if (share.logits) {
                    model.computeBackend().tensors().read(rows, (long) row++ * logits.length, logits);
                    share.request.choose(logits);
                }
            }
        }
    }

    /** One row for each request that generates; prompts share what rows there are for them equally. */
    private List<Share> shares() {
        List<Share> shares = new ArrayList<>();
        requests.stream().filter(RunningRequest::isPrefilling).forEach(RunningRequest::adopt);
        int prompts = (int) requests.stream().filter(RunningRequest::isPrefilling).count();
        int left = options.prefillRows();
        for (RunningRequest request : requests) {
            int rows = 1;
            if (request.isPrefilling()) {
                rows = Math.min(request.unread(), Math.min(left, Math.ceilDiv(left, prompts)));
                left -= rows;
                prompts--;
            }
            if (rows > 0) {
                shares.add(new Share(request, rows, rows == request.unread()));
            }
        }
        return shares;
    }

    /** Ends the pass when nobody waits for it any more. */
    private LayerProbe probe(List<Share> shares) {
        return Completions.probe(() -> {
            atEachLayer.run();
            return shares.stream().allMatch(share -> share.request.task().isEnded());
        });
    }

    @Override
    public void close() {
        requests.forEach(RunningRequest::close);
        requests.clear();
    }
}
