package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.reflect.Executable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Parameter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every public method and constructor refuses null at once, by the parameter's name. */
@Timeout(60)
class NullsTest {

    /** Where calls begin, and what they take in place of what is not null. */
    private static final Map<Class<?>, Object> VALUES = new HashMap<>();

    @TempDir
    static Path directory;

    private static Model model;

    @BeforeAll
    static void open() throws IOException {
        model = Model.open(TinyModel.write(directory), ModelOptions.DEFAULT.withThreads(1));
        Session session = model.newSession();
        session.append(1, 2, 3);
        GenerationOptions options = GenerationOptions.builder().maxTokens(1).build();
        for (Object value : new Object[] {model, session, options, session.generate(options), GenerationOptions.builder(),
                session.bestOf(1, options), model.newBatchingExecutor(BatchingOptions.DEFAULT),
                GenerationRequest.of(new int[] {1}, options), Capture.builder(), session.next(), model.embeddings(),
                BeamOptions.of(2), BatchingOptions.DEFAULT, ModelOptions.DEFAULT, ContextPolicy.ERROR, model.config(),
                model.tokenizer().orElseThrow(), "text", new int[] {1}, new float[] {1}, new double[] {1}, Pooling.MEAN,
                model.score(new int[] {1, 2, 3}, 3), model.config().activation(), FinishReason.STOP,
                BackendChoice.CPU, CacheType.AUTO, BeamOptions.EarlyStopping.NO, Duration.ZERO, new LogitsProcessor[0],
                new String[0], dev.isthmus.engine.config.WeightType.F32, PrefixCache.OPEN}) {
            VALUES.put(value.getClass(), value);
        }
        VALUES.put(Path.class, directory);
        VALUES.put(ProgressListener.class, ProgressListener.NONE);
        VALUES.put(ForwardObserver.class, new ForwardObserver() {});
        VALUES.put(LogitsVisitor.class, (LogitsVisitor) (position, logits) -> {});
        VALUES.put(Executor.class, (Executor) Runnable::run);
        VALUES.put(Consumer.class, (Consumer<Object>) value -> {});
        VALUES.put(List.class, List.of());
        VALUES.put(Map.class, Map.of());
        VALUES.put(Optional.class, Optional.empty());
        VALUES.put(OptionalInt.class, OptionalInt.empty());
        VALUES.put(OptionalDouble.class, OptionalDouble.empty());
        VALUES.put(boolean.class, true);
        VALUES.put(int.class, 1);
        VALUES.put(long.class, 1L);
        VALUES.put(double.class, 1.0);
    }

    @AfterAll
    static void close() {
        ((BatchingExecutor) VALUES.get(BatchingExecutor.class)).closeNow();
        ((Session) VALUES.get(Session.class)).close();
        model.close();
    }

    static Stream<Class<?>> types() {
        return Stream.of(Model.class, Session.class, Generation.class, GenerationOptions.Builder.class,
                GenerationRequest.class, GenerationResult.class, BatchingExecutor.class,
                CompletionSearch.class, Completion.class, BeamOptions.class, ModelOptions.class, Capture.Builder.class,
                Distribution.class, TokenEmbeddings.class, Token.class, Neighbor.class, Score.class, Metrics.class,
                Tokenizer.class, Gpt2Config.class);
    }

    @ParameterizedTest
    @MethodSource("types")
    void nullIsRefusedByName(Class<?> type) {
        List<String> wrong = new ArrayList<>();
        int calls = 0;
        List<Executable> executables = new ArrayList<>(Arrays.asList(type.getConstructors()));
        Arrays.stream(type.getDeclaredMethods()).filter(method -> Modifier.isPublic(method.getModifiers())
                && !method.isSynthetic() && !method.getName().equals("equals")).forEach(executables::add);
        for (Executable executable : executables) {
            for (int i = 0; i < executable.getParameterCount(); i++) {
                if (!executable.getParameterTypes()[i].isPrimitive()) {
                    calls++;
                    Throwable thrown = thrown(executable, i);
                    String name = executable.getParameters()[i].getName();
                    if (!(thrown instanceof InvalidInputException refused)
                            || !refused.getMessage().endsWith(": " + name + " must not be null")) {
                        wrong.add(executable + " with " + name + " = null: " + thrown);
                    }
                }
            }
        }
        assertEquals(List.of(), wrong);
        assertTrue(calls > 0, type + " takes something");
    }

    private static Throwable thrown(Executable executable, int nullAt) {
        Object[] arguments = new Object[executable.getParameterCount()];
        for (int i = 0; i < arguments.length; i++) {
            Parameter parameter = executable.getParameters()[i];
            assertTrue(VALUES.containsKey(parameter.getType()), parameter + " of " + executable + " needs a value");
            arguments[i] = i == nullAt ? null : VALUES.get(parameter.getType());
        }
        try {
            if (executable instanceof Method method) {
                return new AssertionError("returned "
                        + method.invoke(VALUES.get(method.getDeclaringClass()), arguments));
            }
            return new AssertionError("made "
                    + ((java.lang.reflect.Constructor<?>) executable).newInstance(arguments));
        } catch (InvocationTargetException e) {
            return e.getCause();
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void nullAmongSeveralIsRefused() {
        GenerationOptions.Builder builder = GenerationOptions.builder();
        assertRefused(() -> builder.stop("a", null));
        assertRefused(() -> builder.processors((LogitsProcessor) null));
        assertRefused(() -> builder.banned(Collections.singletonList(null)));
        assertRefused(() -> GenerationOptions.builder().banned(List.of(Collections.singletonList(null))).build());
        assertRefused(() -> builder.logitBias(Collections.singletonMap(1, null)));
        assertRefused(() -> builder.logitBias(Collections.singletonMap(null, 1.0)));
        assertRefused(() -> new GenerationRequest(Arrays.asList(1, null), GenerationOptions.DEFAULT, Optional.empty()));
    }

    private static void assertRefused(org.junit.jupiter.api.function.Executable call) {
        String message = assertThrows(InvalidInputException.class, call).getMessage();
        assertTrue(message.endsWith("must not be null"), message);
    }
}
