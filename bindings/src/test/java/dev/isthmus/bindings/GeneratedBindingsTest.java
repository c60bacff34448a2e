package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.bindings.cublas.CuBlas;
import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.bindings.openblas.OpenBlas;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The committed bindings against the filter lists and against isthmus.h, so that none goes stale unnoticed. */
class GeneratedBindingsTest {
    private static final Path ISTHMUS_H = Path.of("..", "native-src", "include", "isthmus.h");

    @Test
    void everyNameOfOpenBlasListIsBound() throws IOException {
        assertEquals(new TreeSet<>(listed("openblas.txt")), new TreeSet<>(methods(OpenBlas.class).keySet()));
    }

    @Test
    void everyNameOfIsthmusListIsBound() throws IOException {
        assertEquals(new TreeSet<>(listed("isthmus.txt")), new TreeSet<>(methods(Isthmus.class).keySet()));
    }

    @Test
    void everyNameOfTheListsOfCudaIsBound() throws IOException {
        assertEquals(new TreeSet<>(listed("cuda.txt")), new TreeSet<>(methods(Cuda.class).keySet()));
        assertEquals(new TreeSet<>(listed("cublas.txt")), new TreeSet<>(methods(CuBlas.class).keySet()));
    }

    @Test
    void everyFunctionOfIsthmusHeaderIsBoundWithItsTypes() throws IOException {
        String header = Files.readString(ISTHMUS_H).replaceAll("(?s)/\\*.*?\\*/", "");
        Matcher declarations = Pattern.compile("(?m)^(\\w+ \\*?)(isthmus_\\w+)\\(([^)]*)\\);").matcher(header);
        Map<String, Method> bound = methods(Isthmus.class);
        int found = 0;
        while (declarations.find()) {
            found++;
            Method method = bound.get(declarations.group(2));
            assertTrue(method != null, () -> declarations.group(2) + " has no binding: run jextract/regenerate");
            assertEquals(javaType(declarations.group(1).contains("*") ? "*" : declarations.group(1).strip()), method.getReturnType(), method::getName);
            assertEquals(parameterTypes(declarations.group(3)), Arrays.asList(method.getParameterTypes()),
                    method::getName);
        }
        assertFalse(found == 0, "no declarations found in " + ISTHMUS_H);
    }

    @Test
    void everyConstantOfIsthmusHeaderIsBoundWithItsValue() throws IOException {
        Matcher defines = Pattern.compile("(?m)^#define (ISTHMUS_\\w+) \\(?(-?\\d+)\\)?").matcher(
                Files.readString(ISTHMUS_H));
        Map<String, Integer> expected = new LinkedHashMap<>();
        while (defines.find()) {
            expected.put(defines.group(1), Integer.valueOf(defines.group(2)));
        }
        Map<String, Integer> bound = new LinkedHashMap<>();
        for (Map.Entry<String, Method> method : methods(Isthmus.class).entrySet()) {
            if (method.getKey().startsWith("ISTHMUS_")) {
                bound.put(method.getKey(), value(method.getValue()));
            }
        }
        assertFalse(expected.isEmpty(), "no constants found in " + ISTHMUS_H);
        assertEquals(expected, bound);
    }

    private static List<String> listed(String list) throws IOException {
        return Files.readAllLines(Path.of("jextract", list)).stream()
                .filter(line -> line.startsWith("--include-"))
                .map(line -> line.substring(line.indexOf(' ') + 1))
                .toList();
    }

    private static Map<String, Method> methods(Class<?> bindings) {
        Map<String, Method> methods = new LinkedHashMap<>();
        for (Method method : bindings.getDeclaredMethods()) {
            if (Modifier.isPublic(method.getModifiers()) && method.getName().indexOf('$') < 0) {
                methods.put(method.getName(), method);
            }
        }
        return methods;
    }

    private static int value(Method constant) {
        try {
            return (int) constant.invoke(null);
        } catch (ReflectiveOperationException failure) {
            throw new AssertionError(constant.toString(), failure);
        }
    }

    private static List<Class<?>> parameterTypes(String parameters) {
        List<Class<?>> types = new ArrayList<>();
        for (String parameter : parameters.strip().equals("void") ? new String[0] : parameters.split(",")) {
            String type = parameter.strip().replaceAll("^const ", "");
            types.add(javaType(type.contains("*") ? "*" : type.substring(0, type.indexOf(' '))));
        }
        return types;
    }

    private static Class<?> javaType(String cType) {
        return switch (cType) {
            case "*" -> MemorySegment.class;
            case "int32_t" -> int.class;
            case "int64_t" -> long.class;
            case "float" -> float.class;
            case "double" -> double.class;
            default -> throw new AssertionError("a type that the header did not use before: " + cType);
        };
    }
}
