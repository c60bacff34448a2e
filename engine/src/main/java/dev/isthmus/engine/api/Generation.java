package dev.isthmus.engine.api;

import java.util.Iterator;
import java.util.Optional;

/** The tokens of a text being continued, each computed when it is asked for. */
public final class Generation implements Iterable<Token>, AutoCloseable {

    private Generation() {}

    @Override
    public Iterator<Token> iterator() {
        throw new UnsupportedOperationException();
    }

    /** Ends the generation, from any thread. */
    public void cancel() {}

    /** Why it ended; empty while it goes on. */
    public Optional<FinishReason> finishReason() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
