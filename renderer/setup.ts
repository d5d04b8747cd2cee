import { z } from 'zod'

// Before any schema of contract/ is built: the page's policy forbids the code that zod would generate.
z.config({ jitless: true })
