package dev.isthmus.engine.session;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.kernels.Draw;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.TokenChooser;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.PassPool;
import dev.isthmus.engine.tensor.Tensor;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/**
 * A session's text: its tokens, their keys and values, and the logits after the last. What was generated is part of the
 * text at once, and of the cache when logits after it are asked for. Not safe for use by several threads at once.
 */
public final class Sequence implements AutoCloseable {

    /** Rows of a chunk whose logits are all wanted: V floats each. */
    private static final int LOGITS_CHUNK_ROWS = 64;

    /** Rows of logits that a virtual thread looks at before it lets others run: some milliseconds. */
    private static final int ROWS_BETWEEN_PAUSES = 8;

    private final LoadedModel model;
    private final ContextWindow window;
    private final MetricsRecorder recorder;
    private KvCache cache;
    private TokenBuffer tokens;
    /** The logits after the last token, if they are known; null before the first ones. Forks may share the array. */
    private float[] logits;
    private boolean logitsShared;
    private boolean logitsValid;
    private volatile long cacheBytes;
    private volatile long prefixTokens;

    /**
     * An empty text.
     *
     * @param window what stays of it when the context is full
     * @param domain whose prefixes it shares
     * @throws InvalidInputException if the window does not fit the model's context
     */
    public Sequence(LoadedModel model, ContextWindow window, String domain) {
        window.check(model.config().context());
        this.model = model;
        this.window = window;
        tokens = new TokenBuffer();
        cache = model.newCache(domain);
        recorder = model.recorder().newSequence();
    }

    private Sequence(Sequence from) {
        model = from.model;
        window = from.window;
        logits = from.logitsValid ? from.logits : null;
        from.logitsShared = true;
        logitsShared = true;
        logitsValid = from.logitsValid;
        tokens = from.tokens.fork();
        cache = from.cache.fork();
        recorder = model.recorder().newSequence();
        cacheBytes = cache.bytes();
    }

    /** The same text once more; keys and values are held in common. */
    public Sequence fork() {
        return new Sequence(this);
    }

    /** Counts what is done for it; any thread may ask. */
    public MetricsRecorder recorder() {
        return recorder;
    }

    /** The bytes of its keys and values; any thread may ask. */
    public long cacheBytes() {
        return cacheBytes;
    }

    /** How many tokens were not computed, since other texts had; any thread may ask. */
    public long prefixTokens() {
        return prefixTokens;
    }

    /** What stays of it when the context is full. */
    public ContextWindow window() {
        return window;
    }

    /** The number of its tokens. */
    public int length() {
        return tokens.length();
    }

    /** Its tokens, first to last. */
    public int[] tokens() {
        return text().ids();
    }

    /** The text as it is now, which any thread may read later. */
    public TokenBuffer.View text() {
        return tokens.view();
    }

    /** Makes {@code view} the text of now; it has not been handed to other threads yet. Allocates nothing. */
    public void describe(TokenBuffer.View view) {
        tokens.describe(view);
    }

    /** The cache of what has been read of it. */
    public KvCache cache() {
        return cache;
    }

    /** The logits after the last token, null if they are not known yet; not to be written. */
    float[] knownLogits() {
        return logitsValid ? logits : null;
    }

    /** Adds a token, which is computed when the logits after it are asked for. */
    public void push(int id) {
        tokens.add(id);
        logitsValid = false;
    }

    /** Makes an empty sequence the text of a snapshot, whose keys and values its cache holds already; the logits or null. */
    void restore(int[] ids, float[] knownLogits) {
        tokens = TokenBuffer.of(ids);
        logits = knownLogits;
        logitsValid = knownLogits != null;
    }

    /** The logits of the last position, computing what is not yet in the cache; not to be written. */
    public float[] currentLogits(LayerProbe probe) {
        if (length() == 0) {
            throw new InvalidInputException("logits: the session is empty; append at least one token first");
        }
        if (!logitsValid) {
            computeLast(rows -> keep(rows, 0), probe);
        }
        return logits;
    }

    private void computeLast(Consumer<Tensor> last, LayerProbe probe) {
        makeRoom(0, () -> {
            cache.rewind(Math.min(cache.length(), length() - 1));
            compute(length(), length() - 1, last, null, probe);
        });
    }

    /** Whether the backend can choose the next token by itself, which spares reading the logits. */
    public boolean canChoose() {
        return model.backend().tokenChooser().isPresent() && !logitsValid;
    }

    /** What the backend chooses without showing the logits, where {@link #canChoose}; negative if nothing is left. */
    public int choose(Draw draw, LayerProbe probe) {
        TokenChooser chooser = model.backend().tokenChooser().orElseThrow();
        int[] chosen = new int[1];
        computeLast(rows -> chosen[0] = chooser.choose(rows, 0, draw)[0], probe);
        return chosen[0];
    }

    /** Reads tokens, and hands over the logits from {@code ids[firstLogits]} on where there is a visitor. */
    public void read(int[] ids, int firstLogits, RowVisitor visitor, LayerProbe probe) {
        if (ids.length == 0) {
            throw new InvalidInputException("append: the prompt is empty; at least one token is needed");
        }
        for (int i = 0; i < ids.length; i++) {
            model.forward().checkToken(ids[i], length() + i);
        }
        makeRoom(ids.length, () -> {
            int before = length();
            boolean validBefore = logitsValid;
            tokens.addAll(ids);
            try {
                compute(before + ids.length, before + firstLogits, rows -> keep(rows, 0), visitor, probe);
            } catch (Throwable failed) {
                truncate(before);
                logitsValid = validBefore;
                throw failed;
            }
        });
    }

    /** Runs {@code work}, which adds {@code count} tokens, after dropping what must go for them by the window. */
    private void makeRoom(int count, Runnable work) {
        int context = cache.context();
        int dropped = window.toDrop(context, length(), count);
        if (dropped == 0) {
            work.run();
            return;
        }
        int length = length();
        int left = length - dropped;
        // At least the token that is to be computed must stay.
        if (left < window.kept() || left + count < 1) {
            throw new ContextFullException(context, Math.min(length, context), Math.max(count, length - context));
        }
        TokenBuffer tokensBefore = tokens;
        boolean validBefore = logitsValid;
        KvCache cacheBefore = cache.fork();
        try {
            tokens = tokensBefore.without(window.kept(), dropped);
            cache.rewind(Math.min(cache.length(), window.kept()));
            logitsValid = false;
            work.run();
            cacheBefore.close();
        } catch (Throwable failed) {
            cache.close();
            cache = cacheBefore;
            tokens = tokensBefore;
            logitsValid = validBefore;
            throw failed;
        }
    }

    private void keep(Tensor rows, int row) {
        if (logits == null || logitsShared) {
            logits = new float[vocabulary()];
            logitsShared = false;
        }
        read(rows, row, logits);
        logitsValid = true;
    }

    /**
     * Computes what is not in the cache up to {@code to}.
     *
     * @param last takes the logits [1, V] of the last position
     * @param visitor takes those from position {@code firstLogits} on, unless it is null
     */
    private void compute(int to, int firstLogits, Consumer<Tensor> last, RowVisitor visitor, LayerProbe probe) {
        logitsValid = false;
        if (!probe.needsEveryRow()) {
            prefixTokens += cache.adopt(tokens.array(), firstLogits);
        }
        try (PassPool.Pass pass = model.passes().borrow(probe)) {
            for (int start = cache.length(); start < to; start = cache.length()) {
                int chunk = model.forward().chunk(to - start);
                int end = start + (visitor != null && start + chunk > firstLogits ? Math.min(chunk, LOGITS_CHUNK_ROWS)
                        : chunk);
                RowBatch batch = pass.batch(end - start);
                batch.add(cache, tokens.array(), start, end);
                int first = Math.max(firstLogits, start);
                int[] outputs = new int[Math.max(0, end - first)];
                for (int i = 0; i < outputs.length; i++) {
                    outputs[i] = first - start + i;
                }
                Tensor rowsOfLogits = recorder.pass(batch, () -> pass.forward(outputs, probe));
                cache.publish(tokens.array(), start);
                cacheBytes = cache.bytes();
                if (visitor != null) {
                    visit(pass, rowsOfLogits, outputs.length, first, visitor);
                    if (end == to) {
                        pass.read(() -> keep(rowsOfLogits, outputs.length - 1));
                    }
                } else if (outputs.length > 0) {
                    pass.read(() -> last.accept(rowsOfLogits));
                }
            }
        }
    }

    /** Shows rows of logits to a visitor, on the calling thread; what it does to its array is its own affair. */
    private void visit(PassPool.Pass pass, Tensor rows, int count, int first, RowVisitor visitor) {
        float[] shown = new float[vocabulary()];
        for (int i = 0; i < count; i++) {
            int row = i;
            pass.read(() -> read(rows, row, shown));
            visitor.row(first + i, shown);
            pass.moves();
            if (i % ROWS_BETWEEN_PAUSES == 0 && Thread.currentThread().isVirtual()) {
                // What visitors compute keeps the carrier from other virtual threads; Thread.yield may prefer its own.
                LockSupport.parkNanos(1);
            }
        }
    }

    private void read(Tensor rows, int row, float[] into) {
        model.backend().tensors().read(rows, (long) row * into.length, into);
    }

    private int vocabulary() {
        return model.config().vocabulary();
    }

    /** Forgets all but the first {@code newLength} tokens. */
    public void truncate(int newLength) {
        if (newLength != length() || cache.length() > newLength) {
            logitsValid = false;
        }
        tokens.truncate(newLength);
        cache.rewind(Math.min(newLength, cache.length()));
    }

    /** Releases keys and values, and the text; idempotent. */
    @Override
    public void close() {
        cache.close();
        cacheBytes = 0;
        tokens.clear();
        logits = null;
        logitsValid = false;
        recorder.close();
    }
}
