package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.sampling.Sampler;
import dev.isthmus.engine.sampling.StopStrings;
import dev.isthmus.engine.tokenizer.StreamDecoder;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Set;

/**
 * The tokens that continue a session's text, each computed when it is asked for. It can be gone through once; leaving
 * the loop ends the work. The tokens handed out are part of the session, those of a stop string too.
 *
 * <p>Used by one thread at a time, but {@link #cancel} may be called from any: it takes effect within one layer's work.
 */
public final class Generation implements Iterable<Token>, AutoCloseable {

    private final Session session;
    private final GenerationOptions options;
    private final Sampler sampler;
    private final Optional<StreamDecoder> decoder;
    private final StopStrings stop;
    private final Set<Integer> endOfText;
    private final LayerProbe probe = new LayerProbe() {
        @Override
        public boolean cancelled() {
            return cancelled;
        }
    };
    private final int changes;
    private int produced;
    private boolean iterating;
    private volatile boolean cancelled;
    private volatile FinishReason finishReason;

    Generation(Session session, GenerationOptions options, Model model) {
        this.session = session;
        this.options = options;
        this.sampler = new Sampler(options.temperature(), options.topK(), options.topP(), options.seed());
        if (!options.stop().isEmpty()) {
            model.requireTokenizer("generate with stop strings");
        }
        this.decoder = model.tokenizer().map(tokenizer -> tokenizer.newStreamDecoder());
        this.stop = new StopStrings(options.stop());
        this.endOfText = options.stopAtEndOfText() ? Set.copyOf(model.config().endOfText()) : Set.of();
        this.changes = session.changes();
    }

    /**
     * The tokens. Its {@code next} throws {@link dev.isthmus.engine.errors.ContextFullException} when the context is
     * full before the generation has come to its end.
     *
     * @throws ConcurrentUseException if it was called before
     */
    @Override
    public Iterator<Token> iterator() {
        if (iterating) {
            throw new ConcurrentUseException("a generation can be gone through once; start another with "
                    + "Session.generate");
        }
        iterating = true;
        return new Iterator<>() {
            private Token ahead;

            @Override
            public boolean hasNext() {
                if (ahead == null && finishReason == null) {
                    ahead = compute();
                }
                return ahead != null;
            }

            @Override
            public Token next() {
                if (!hasNext()) {
                    throw new NoSuchElementException("the generation has ended: " + finishReason);
                }
                Token token = ahead;
                ahead = null;
                return token;
            }
        };
    }

    /** Ends the generation, from any thread; tokens handed out already stay in the session. */
    public void cancel() {
        cancelled = true;
    }

    /** Why it ended; empty while it goes on. */
    public Optional<FinishReason> finishReason() {
        return Optional.ofNullable(finishReason);
    }

    /** The same as {@link #cancel}, unless it has ended already. */
    @Override
    public void close() {
        cancel();
    }

    private Token compute() {
        if (cancelled) {
            finishReason = FinishReason.CANCELLED;
            return null;
        }
        try {
            return session.exclusively(this::step);
        } catch (CancelledException byCaller) {
            finishReason = FinishReason.CANCELLED;
            return null;
        }
    }

    private Token step() {
        if (session.changes() != changes) {
            throw new ConcurrentUseException("generate: the session was changed by another call since the generation "
                    + "began; start another with Session.generate");
        }
        int id = sampler.sample(session.currentLogits(probe));
        session.push(id);
        produced++;
        return new Token(id, text(id));
    }

    private String text(int id) {
        boolean ended = endOfText.contains(id);
        String piece = ended ? "" : decoder.map(d -> d.append(id)).orElse("");
        if (ended) {
            finishReason = FinishReason.END_OF_TEXT;
        } else if (produced == options.maxTokens()) {
            finishReason = FinishReason.MAX_TOKENS;
        }
        if (finishReason != null) {
            piece += decoder.map(StreamDecoder::flush).orElse("");
        }
        String text = stop.accept(piece);
        if (stop.stopped()) {
            finishReason = FinishReason.STOP;
        } else if (finishReason != null) {
            text += stop.flush();
        }
        return text;
    }
}
