package dev.isthmus.engine.session;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.PassPool;
import jdk.jfr.FlightRecorder;

/** Loads and initializes the classes that the scheduler's steps use, by a pass of two tokens. */
public final class PassRehearsal {

    private PassRehearsal() {}

    /**
     * Computes two tokens; returns the logits after them, V values.
     *
     * @throws dev.isthmus.engine.errors.OutOfMemoryException if there is not enough memory
     */
    public static float[] run(LoadedModel model) {
        if (FlightRecorder.isInitialized()) {
            QueueWaitEvent.begin(0, 0);
            PrefillEvent.begin(0, 0, 0, 0);
            DecodeStepEvent.begin(0, 0);
        }
        model.availableCacheBytes();
        int rows = Math.min(2, model.config().context());
        float[] logits = new float[model.config().vocabulary()];
        try (PassPool.Pass pass = model.passes().borrow(); KvCache cache = model.newCache("")) {
            cache.adopt(new int[rows], 0);
            pass.batch(rows).add(cache, new int[rows], 0, rows);
            model.backend().tensors().read(pass.forward(new int[] {rows - 1}, LayerProbe.NONE), 0, logits);
            cache.publish(new int[rows], 0);
        }
        return logits;
    }
}
