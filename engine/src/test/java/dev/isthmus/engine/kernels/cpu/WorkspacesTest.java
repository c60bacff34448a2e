package dev.isthmus.engine.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class WorkspacesTest {

    @Test
    void aWorkspaceThatCannotGrowIsGivenBack() {
        Workspaces workspaces = new Workspaces();
        Workspaces.Workspace first = workspaces.borrow(64);
        first.close();
        assertThrows(OutOfMemoryError.class, () -> workspaces.borrow(1L << 60));
        assertEquals(64, workspaces.bytes());
        assertSame(first, workspaces.borrow(64));
        first.close();
        workspaces.close();
        assertEquals(0, workspaces.bytes());
    }

    @Test
    void theLastOneGivenBackIsBorrowedFirst() {
        try (Workspaces workspaces = new Workspaces()) {
            Workspaces.Workspace one = workspaces.borrow(64);
            Workspaces.Workspace other = workspaces.borrow(128);
            one.close();
            other.close();
            assertSame(other, workspaces.borrow(64));
            assertSame(one, workspaces.borrow(128));
            assertEquals(256, workspaces.bytes());
        }
    }
}
