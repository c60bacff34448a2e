package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.bindings.cublas.CuBlas;
import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.bindings.openblas.OpenBlas;
import java.io.IOException;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Compares the committed bindings with the filter lists and with isthmus.h, so that none goes stale unnoticed. */
class GeneratedBindingsTest {
    private static final Path ISTHMUS_H = Path.of("..", "native-src", "include", "isthmus.h");

    @Test
    void everyNameOfOpenBlasListIsBound() throws IOException {
        assertEquals(new TreeSet<>(listed("openblas.txt")), new TreeSet<>(methods(OpenBlas.class).keySet()));
    }

    @Test
    void everyNameOfTheListsOfCudaIsBound() throws IOException {
        assertEquals(new TreeSet<>(listed("cuda.txt")), new TreeSet<>(methods(Cuda.class).keySet()));
        assertEquals(new TreeSet<>(listed("cublas.txt")), new TreeSet<>(methods(CuBlas.class).keySet()));
    }

    @Test
    void everyFunctionOfIsthmusHeaderIsBoundWithItsTypes() throws IOException {
        Matcher declarations = Pattern.compile("(?m)^(\\w+ \\*?)(isthmus_\\w+)\\(([^)]*)\\);").matcher(declarations());
        Map<String, Method> bound = methods(Isthmus.class);
        Set<String> declared = new TreeSet<>();
        while (declarations.find()) {
            declared.add(declarations.group(2));
            Method method = bound.get(declarations.group(2));
            assertTrue(method != null, () -> declarations.group(2) + " has no binding: run jextract/regenerate");
            assertEquals(javaType(declarations.group(1)), method.getReturnType(), method::getName);
            assertEquals(parameterTypes(declarations.group(3)), Arrays.asList(method.getParameterTypes()),
                    method::getName);
        }
        assertFalse(declared.isEmpty(), "no declarations found in " + ISTHMUS_H);
        bound.keySet().removeIf(name -> name.startsWith("ISTHMUS_"));
        assertEquals(declared, new TreeSet<>(bound.keySet()), "bound, but not declared");
    }

    @Test
    void everyStructOfIsthmusHeaderHasItsLayout() throws ReflectiveOperationException, IOException {
        Matcher structs = Pattern.compile("(?m)^struct (isthmus_\\w+) \\{([^}]*)};").matcher(declarations());
        int found = 0;
        while (structs.find()) {
            found++;
            Class<?> binding = Class.forName(Isthmus.class.getPackageName() + "." + structs.group(1));
            GroupLayout layout = (GroupLayout) binding.getMethod("layout").invoke(null);
            List<String> fields = new ArrayList<>();
            for (MemoryLayout member : layout.memberLayouts()) {
                if (member instanceof ValueLayout value) {
                    fields.add(value.carrier().getSimpleName() + " " + value.name().orElseThrow() + " at "
                            + layout.byteOffset(PathElement.groupElement(value.name().orElseThrow())));
                }
            }
            assertEquals(fields(structs.group(2)), fields, structs.group(1));
            assertEquals(0, layout.byteSize() % layout.byteAlignment(), structs.group(1));
        }
        assertFalse(found == 0, "no structs found in " + ISTHMUS_H);
    }

    /** The fields of a struct as C lays them out: each at the next multiple of its size. */
    private static List<String> fields(String body) {
        List<String> fields = new ArrayList<>();
        long offset = 0;
        for (String declaration : body.strip().split(";\\s*")) {
            Class<?> type = javaType(declaration);
            long size = type == int.class || type == float.class ? 4 : 8;
            offset = (offset + size - 1) / size * size;
            fields.add(type.getSimpleName() + " " + declaration.replaceAll(".*\\W", "") + " at " + offset);
            offset += size;
        }
        return fields;
    }

    /** isthmus.h without comments. */
    private static String declarations() throws IOException {
        return Files.readString(ISTHMUS_H).replaceAll("(?s)/\\*.*?\\*/", "");
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

    @Test
    void everyLevelIsNamedByItsNumber() throws IOException {
        Matcher levels = Pattern.compile("(?m)^#define ISTHMUS_LEVEL_(\\w+) (\\d+)").matcher(Files.readString(ISTHMUS_H));
        TreeMap<Integer, String> expected = new TreeMap<>();
        while (levels.find()) {
            expected.put(Integer.valueOf(levels.group(2)), levels.group(1).toLowerCase(Locale.ROOT));
        }
        assertEquals(List.copyOf(expected.values()), LibraryCheck.LEVELS);
        assertEquals(expected.size() - 1, expected.lastKey());
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
            types.add(javaType(parameter));
        }
        return types;
    }

    /** The type of a declaration such as {@code const float *x} or {@code int64_t}. */
    private static Class<?> javaType(String declaration) {
        if (declaration.contains("*")) {
            return MemorySegment.class;
        }
        String type = declaration.strip().replaceAll(" .*", "");
        return switch (type) {
            case "int32_t" -> int.class;
            case "int64_t" -> long.class;
            case "float" -> float.class;
            case "double" -> double.class;
            default -> throw new AssertionError("a type that the header did not use before: " + type);
        };
    }
}
