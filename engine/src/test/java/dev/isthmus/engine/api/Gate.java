package dev.isthmus.engine.api;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** A rule that changes nothing and holds up the batch at the n-th token until it is opened. */
final class Gate {

    private final int tokens;
    private final AtomicInteger calls = new AtomicInteger();
    private final CountDownLatch reached = new CountDownLatch(1);
    private final CountDownLatch opened = new CountDownLatch(1);

    Gate(int tokens) {
        this.tokens = tokens;
    }

    /** Greedy options with this rule. */
    GenerationOptions options(int maxTokens) {
        return GenerationOptions.builder().greedy().maxTokens(maxTokens).stopAtEndOfText(false)
                .processors((ids, logits) -> {
                    if (calls.incrementAndGet() == tokens) {
                        reached.countDown();
                        await(opened);
                    }
                }).build();
    }

    void awaitReached() {
        await(reached);
    }

    void open() {
        opened.countDown();
    }

    static void await(CountDownLatch latch) {
        try {
            if (!latch.await(30, TimeUnit.SECONDS)) {
                throw new IllegalStateException("waited for 30 seconds");
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
