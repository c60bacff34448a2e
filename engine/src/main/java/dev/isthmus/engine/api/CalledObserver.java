package dev.isthmus.engine.api;

import dev.isthmus.engine.session.StateObserver;
import java.util.concurrent.Executor;

/**
 * A caller's observer as sequences know it, called on the caller's thread.
 *
 * @param observer the caller's own
 * @param caller runs code on the calling thread, and returns when it is done
 */
record CalledObserver(ForwardObserver observer, Executor caller) implements StateObserver {

    /** An observer that is called by whoever computes. */
    CalledObserver(ForwardObserver observer) {
        this(observer, Runnable::run);
    }

    @Override
    public StateObserver calling(Executor other) {
        return new CalledObserver(observer, other);
    }

    @Override
    public boolean wantsHiddenState(int boundary) {
        boolean[] wants = new boolean[1];
        caller.execute(() -> wants[0] = observer.wantsHiddenState(boundary));
        return wants[0];
    }

    @Override
    public void hiddenState(int boundary, int position, double[] values) {
        caller.execute(() -> observer.hiddenState(boundary, position, values));
    }

    @Override
    public boolean wantsAttention(int layer, int head) {
        boolean[] wants = new boolean[1];
        caller.execute(() -> wants[0] = observer.wantsAttention(layer, head));
        return wants[0];
    }

    @Override
    public void attention(int layer, int head, int position, double[] probabilities) {
        caller.execute(() -> observer.attention(layer, head, position, probabilities));
    }
}
