package dev.isthmus.engine.api;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.opentest4j.TestAbortedException;
import org.reactivestreams.tck.TestEnvironment;
import org.reactivestreams.tck.flow.FlowPublisherVerification;
import org.testng.SkipException;

/** The publisher by Reactive Streams' own tests of their rules, which are written for TestNG. */
@Timeout(300)
class PublisherRulesTest {

    private static final int PATIENCE_MILLIS = 10_000;
    private static final int SILENCE_MILLIS = 50;

    @TempDir
    static Path directory;

    private static Model model;
    private static ExecutorService executor;
    private final List<Session> sessions = new ArrayList<>();

    @BeforeAll
    static void open() throws IOException {
        model = Model.open(TinyModel.write(directory));
        executor = Executors.newVirtualThreadPerTaskExecutor();
    }

    @AfterAll
    static void close() {
        executor.close();
        model.close();
    }

    @AfterEach
    void end() {
        sessions.forEach(Session::close);
    }

    private Generation generation(int tokens) {
        Session session = model.newSession();
        sessions.add(session);
        session.append(1);
        return session.generate(GenerationOptions.builder().maxTokens(tokens).stopAtEndOfText(false).build());
    }

    private final class Verification extends FlowPublisherVerification<Token> {

        Verification() {
            super(new TestEnvironment(PATIENCE_MILLIS, SILENCE_MILLIS), PATIENCE_MILLIS);
        }

        @Override
        public Flow.Publisher<Token> createFlowPublisher(long elements) {
            Generation generation = generation(Math.max(1, (int) elements));
            if (elements == 0) {
                generation.cancel();
            }
            return generation.publisher(executor);
        }

        @Override
        public Flow.Publisher<Token> createFailedFlowPublisher() {
            Generation taken = generation(1);
            taken.iterator();
            return taken.publisher(executor);
        }

        @Override
        public long maxElementsFromPublisher() {
            return TinyModel.CONTEXT;
        }
    }

    @TestFactory
    Stream<DynamicTest> theRulesOfReactiveStreamsHold() {
        return Arrays.stream(FlowPublisherVerification.class.getMethods())
                .filter(method -> method.isAnnotationPresent(org.testng.annotations.Test.class))
                .sorted(Comparator.comparing(Method::getName))
                .map(method -> DynamicTest.dynamicTest(method.getName(), () -> verify(method)));
    }

    private void verify(Method rule) throws Throwable {
        Verification verification = new Verification();
        verification.setUp();
        try {
            rule.invoke(verification);
        } catch (InvocationTargetException failed) {
            if (failed.getCause() instanceof SkipException skipped) {
                throw new TestAbortedException(skipped.getMessage());
            }
            throw failed.getCause();
        }
    }
}
